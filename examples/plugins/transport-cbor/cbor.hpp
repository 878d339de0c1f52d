// As much of CBOR (RFC 8949) as a transport needs: JSON text to CBOR, CBOR to a tree, a tree to JSON text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cbor {

enum class Type { null, boolean, integer, negative, real, text, bytes, array, map };

/// A decoded item. Texts and bytes are views of what was decoded.
struct Item {
  Type type = Type::null;
  bool flag = false;
  std::uint64_t number = 0;  // integer: the value; negative: -1 - value, as CBOR has it
  double real = 0;
  std::string_view text;    // text, bytes
  std::vector<Item> items;  // array: the items; map: key, value, key, value

  /// Null when it is not a map or has no such key.
  [[nodiscard]] const Item* find(std::string_view key) const;
};

/// One whole item, checked: lengths against what is there, depth at most 64, at most 200,000 items, texts are UTF-8,
/// keys are texts. Tags are skipped; chunked strings and NaN are refused. Throws a Failure that names the byte.
Item decode(std::string_view bytes);
/// Bytes become base64, as JSON clients send them.
void to_json(const Item& item, std::string& out);

/// Appends `json` (valid JSON text). Numbers that neither 64 bits nor a double hold go as text, so no digit is lost.
void from_json(std::string_view json, std::string& out);
void put_head(unsigned major, std::uint64_t value, std::string& out);
void put_text(std::string_view text, std::string& out);
void put_bytes(std::string_view bytes, std::string& out);
inline void put_map(std::uint64_t n, std::string& out) {
  put_head(5, n, out);
}
inline void put_array(std::uint64_t n, std::string& out) {
  put_head(4, n, out);
}
inline void put_null(std::string& out) {
  out += '\xf6';
}

}  // namespace cbor
