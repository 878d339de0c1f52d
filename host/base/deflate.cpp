#include "base/deflate.hpp"

#include <zlib.h>

#include <cassert>
#include <new>

namespace lectern {
namespace {

// The window and the memory level keep the state of a run at 50 kB, below the size for which malloc asks the system.
constexpr int window_bits = 13, memory_level = 5;

// zlib's interface is older than const: it reads what next_in points to and nothing else.
Bytef* readable(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

}  // namespace

std::string deflated(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_bits, memory_level, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  std::string bytes(deflateBound(&stream, text.size()), '\0');
  stream.next_in = readable(text);
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  [[maybe_unused]] const auto end = deflate(&stream, Z_FINISH);
  bytes.resize(stream.total_out);
  deflateEnd(&stream);
  assert(end == Z_STREAM_END);
  bytes.shrink_to_fit();
  return bytes;
}

std::string inflated(std::string_view bytes, std::size_t size) {
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) throw std::bad_alloc();
  std::string text(size, '\0');
  stream.next_in = readable(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(size);
  [[maybe_unused]] const auto end = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  assert(end == Z_STREAM_END && stream.total_out == size);
  return text;
}

}  // namespace lectern
