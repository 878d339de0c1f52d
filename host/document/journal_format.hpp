// The bytes of a journal file: what journal.cpp writes and recovery reads. All numbers little endian.
//
//   header  "LECTJRNL" · u32 version · u32 salt · u32 crc of the 16 bytes before
//   record  u32 payload size · u32 crc · u32 turn · u8 kind · u8 key size · u16 flags · key · payload
//
// crc covers the rest of the record and starts from the salt, so that bytes of another file never look like a record.
// The turn rises after each fsync: valid records two turns past a damaged one, or the first record of the next, prove
// that what is damaged had been fsynced, so it is rot and not a torn write. Zeros follow the last record
// (preallocation).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "document/journal.hpp"

namespace lectern::document::journal_format {

inline constexpr std::string_view magic = "LECTJRNL";
inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t header_size = 20;
inline constexpr std::size_t record_size = 16;  // without key and payload
inline constexpr std::uint16_t flag_more = 1;   // the next record belongs to the same append
inline constexpr std::uint16_t flag_first_of_turn = 2;

/// [any]
std::string header(std::uint32_t salt);
/// [any] Appends one record to `out`.
void encode(const Record& record, std::uint32_t salt, std::uint32_t turn, std::uint16_t flags, std::string& out);

struct View {
  RecordKind kind = RecordKind::change;
  std::uint32_t turn = 0;
  std::uint16_t flags = 0;
  std::string_view key;
  std::string_view payload;
  std::size_t size = 0;  ///< of the whole record
};
/// [any] The salt, when `file` begins with a whole header.
std::optional<std::uint32_t> read_header(std::string_view file);
/// [any] The record at the beginning of `bytes`, when there is a whole and valid one.
std::optional<View> decode(std::string_view bytes, std::uint32_t salt);

struct Scan {
  std::uint64_t end = 0;   ///< where the last whole append ends
  std::uint32_t turn = 1;  ///< of the last record kept
  std::uint32_t salt = 0;
  bool rotten = false;  ///< damage before the tail; `end` is where
  bool tail_has_records = false;
  std::uint64_t tail_bytes = 0;  ///< bytes after `end` up to the last one that is not zero
};
/// [any] Calls `keep` with each record that counts, in order.
template <class Keep>
Scan scan(std::string_view file, Keep&& keep);

/// Looks at what follows a damaged place; see the top of this file.
void judge_tail(std::string_view file, Scan& scan);

template <class Keep>
Scan scan(std::string_view file, Keep&& keep) {
  Scan result;
  const auto salt = read_header(file);
  if (!salt) {
    result.rotten = true;
    return result;
  }
  result.salt = *salt;
  result.end = header_size;
  std::size_t at = header_size;
  std::size_t group = at;  // where the append being read began
  while (const auto record = decode(file.substr(at), *salt)) {
    at += record->size;
    if ((record->flags & flag_more) != 0) continue;
    while (group < at) {
      const auto member = *decode(file.substr(group), *salt);
      group += member.size;
      result.turn = member.turn;
      keep(member);
    }
    result.end = at;
  }
  judge_tail(file, result);
  return result;
}

}  // namespace lectern::document::journal_format
