// A body that is made piece by piece while it is sent.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "api/byte_range.hpp"
#include "api/http.hpp"
#include "base/task.hpp"

namespace lectern::api {

class InPieces final : public BodySource {
 public:
  using Done = UniqueFunction<void(std::string)>;
  /// [any] Has those bytes made elsewhere; `done` gets all of them, or none when that cannot be.
  using Read = UniqueFunction<void(ByteRange piece, Done done)>;

  /// [any] `range` of whatever `read` reads, at most `piece_bytes` at a time.
  InPieces(ByteRange range, std::uint64_t piece_bytes, Read read)
      : size_(range.count), piece_bytes_(piece_bytes), left_(range), read_(std::move(read)) {}
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  void next(Done done) override {
    const ByteRange piece{left_.first, std::min(piece_bytes_, left_.count)};
    left_ = {left_.first + piece.count, left_.count - piece.count};
    read_(piece, std::move(done));
  }

 private:
  const std::uint64_t size_, piece_bytes_;
  ByteRange left_;
  Read read_;
};

}  // namespace lectern::api
