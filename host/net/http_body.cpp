#include "net/http_body.hpp"

#include <algorithm>
#include <charconv>

namespace lectern::net {
namespace {
constexpr std::size_t max_line = 256;  // a size and its extensions, which nobody uses
constexpr std::size_t max_trailers = 4096;

auto bad_chunk(std::string message) {
  return fail(400, "bad_chunk", "the chunked body is malformed: " + std::move(message));
}
}  // namespace

/// Collects a line up to CRLF in line_; true when it is whole.
Result<bool> ChunkedDecoder::take_line(std::string_view bytes, std::size_t& used) {
  while (used < bytes.size()) {
    const char c = bytes[used++];
    if (c == '\n') {
      if (line_.empty() || line_.back() != '\r') return bad_chunk("a line ends with LF alone");
      line_.pop_back();
      return true;
    }
    if (!line_.empty() && line_.back() == '\r') return bad_chunk("a stray CR");
    if (line_.size() >= max_line) return bad_chunk("a line is too long");
    line_.push_back(c);
  }
  return false;
}

Status ChunkedDecoder::on_size_line() {
  const auto digits = std::string_view(line_).substr(0, line_.find_first_of("; \t"));
  const auto* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, left_, 16);
  if (digits.empty() || error != std::errc{} || stop != end) return bad_chunk("a chunk size is not a hex number");
  if (left_ > max_body_ - body_.size()) {
    return fail(413, "too_large", "the body is larger than " + std::to_string(max_body_) + " bytes");
  }
  state_ = left_ == 0 ? State::trailers : State::data;
  return {};
}

Result<std::size_t> ChunkedDecoder::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && state_ != State::done) {
    if (state_ == State::data) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - used));
      body_.append(bytes, used, count);
      used += count;
      left_ -= count;
      if (left_ == 0) state_ = State::data_end;
      continue;
    }
    LECTERN_TRY(const bool whole, take_line(bytes, used));
    if (!whole) break;
    if (state_ == State::size_line) {
      LECTERN_CHECK(on_size_line());
    } else if (state_ == State::data_end) {
      if (!line_.empty()) return bad_chunk("a chunk is longer than its size says");
      state_ = State::size_line;
    } else if (line_.empty()) {
      state_ = State::done;
    } else {
      // Trailers are read past: nothing here has a use for them.
      trailer_bytes_ += line_.size();
      if (trailer_bytes_ > max_trailers) return bad_chunk("the trailers are too long");
    }
    line_.clear();
  }
  return used;
}

}  // namespace lectern::net
