// Decoding a chunked body from bytes as they come, within a limit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lectern::net {

class ChunkedDecoder {
 public:
  explicit ChunkedDecoder(std::size_t max_body) : max_body_(max_body) {}

  /// [any] Takes what it can of `bytes` and returns how many; after done() the rest belongs to the next request.
  /// Errors: 400 `bad_chunk`, 413 `too_large`.
  Result<std::size_t> feed(std::string_view bytes);
  [[nodiscard]] bool done() const { return state_ == State::done; }
  /// The decoded body; moved out once done.
  [[nodiscard]] std::string take() { return std::move(body_); }

 private:
  enum class State { size_line, data, data_end, trailers, done };
  Result<bool> take_line(std::string_view bytes, std::size_t& used);
  Status on_size_line();

  std::size_t max_body_;
  State state_ = State::size_line;
  std::uint64_t left_ = 0;  // of the current chunk
  std::size_t trailer_bytes_ = 0;
  std::string line_;
  std::string body_;
};

}  // namespace lectern::net
