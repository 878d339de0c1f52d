#include "document/journal_format.hpp"

#include <algorithm>
#include <cstring>

#include "document/checksum.hpp"

namespace lectern::document::journal_format {
namespace {

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}
template <class T>
T get(std::string_view bytes, std::size_t at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | (static_cast<T>(static_cast<unsigned char>(bytes[at + i])) << (8 * i)));
  }
  return value;
}

// The checksum of a record whose first bytes are `record`, payload included; the crc field itself is left out.
std::uint32_t checksum(std::string_view record, std::uint32_t salt) {
  return crc32c(record.substr(8), crc32c(record.substr(0, 4), salt));
}

}  // namespace

std::string header(std::uint32_t salt) {
  std::string out(magic);
  put(out, version);
  put(out, salt);
  put(out, crc32c(out));
  return out;
}

void encode(const Record& record, std::uint32_t salt, std::uint32_t turn, std::uint16_t flags, std::string& out) {
  const std::size_t begin = out.size();
  const std::string_view key = std::string_view(record.key).substr(0, 255);
  put(out, static_cast<std::uint32_t>(record.bytes.size()));
  put(out, std::uint32_t{0});
  put(out, turn);
  put(out, static_cast<std::uint8_t>(record.kind));
  put(out, static_cast<std::uint8_t>(key.size()));
  put(out, flags);
  out += key;
  out += record.bytes;
  std::string crc;
  put(crc, checksum(std::string_view(out).substr(begin), salt));
  std::copy(crc.begin(), crc.end(), out.begin() + static_cast<std::ptrdiff_t>(begin) + 4);
}

std::optional<std::uint32_t> read_header(std::string_view file) {
  if (file.size() < header_size || file.substr(0, magic.size()) != magic) return std::nullopt;
  if (get<std::uint32_t>(file, 8) != version || get<std::uint32_t>(file, 16) != crc32c(file.substr(0, 16))) {
    return std::nullopt;
  }
  return get<std::uint32_t>(file, 12);
}

std::optional<View> decode(std::string_view bytes, std::uint32_t salt) {
  if (bytes.size() < record_size) return std::nullopt;
  View view;
  const auto kind = static_cast<std::uint8_t>(bytes[12]);
  const std::size_t key_size = static_cast<std::uint8_t>(bytes[13]);
  const std::size_t payload_size = get<std::uint32_t>(bytes, 0);
  view.flags = get<std::uint16_t>(bytes, 14);
  if (kind < 1 || kind > static_cast<std::uint8_t>(RecordKind::entry) || view.flags > 3) return std::nullopt;
  view.size = record_size + key_size + payload_size;
  if (view.size > bytes.size()) return std::nullopt;
  if (checksum(bytes.substr(0, view.size), salt) != get<std::uint32_t>(bytes, 4)) return std::nullopt;
  view.kind = static_cast<RecordKind>(kind);
  view.turn = get<std::uint32_t>(bytes, 8);
  view.key = bytes.substr(record_size, key_size);
  view.payload = bytes.substr(record_size + key_size, payload_size);
  return view;
}

void judge_tail(std::string_view file, Scan& scan) {
  const auto last = file.find_last_not_of('\0');
  if (last == std::string_view::npos || last < scan.end) return;
  scan.tail_bytes = last + 1 - scan.end;
  // Whole records of an append whose end is missing come first: they are part of the tail.
  for (std::size_t at = scan.end; at + record_size <= last + 1;) {
    const auto record = decode(file.substr(at), scan.salt);
    if (!record) {
      ++at;
      continue;
    }
    scan.tail_has_records = true;
    const std::uint32_t ahead = record->turn - scan.turn;
    const bool first = (record->flags & flag_first_of_turn) != 0;
    // scan.end is where the last whole append ended, so a first record right there only begins a torn turn.
    if ((ahead >= 2 && ahead < 0x8000'0000U) || (ahead == 1 && first && at != scan.end)) {
      scan.rotten = true;
      return;
    }
    at += record->size;
  }
}

}  // namespace lectern::document::journal_format
