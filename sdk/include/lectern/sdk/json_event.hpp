// What transports that speak JSON share: an event as {"op","seq","data"}.
#pragma once

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <string_view>

#include "lectern/sdk/base64.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/transport.hpp"

namespace lectern::sdk {

/// [any] Appends a JSON array of base64 strings: `payload` as `sizes` cut it; without sizes, all of it as one.
inline void append_base64_array(std::string_view payload, std::span<const std::uint64_t> sizes, std::string& out) {
  out += '[';
  auto one = [&](std::string_view part) {
    if (out.back() != '[') out += ',';
    out += '"';
    append_base64(part, out);
    out += '"';
  };
  if (sizes.empty() && !payload.empty()) one(payload);
  for (const auto size : sizes) {
    one(payload.substr(0, static_cast<std::size_t>(size)));
    payload.remove_prefix(std::min(payload.size(), static_cast<std::size_t>(size)));
  }
  out += ']';
}

/// [any] Appends the JSON object `object` with `"key":<what write() appends>` in place of its member `key`, or added.
template <class Write>
void append_object_with(std::string_view object, std::string_view key, std::string& out, Write&& write) {
  object = json::trim(object);
  if (object.size() < 2 || object.front() != '{' || object.back() != '}') object = "{}";
  const auto old = json::member(object, key);
  if (!old.empty()) {
    const auto at = static_cast<std::size_t>(old.data() - object.data());
    out.append(object.substr(0, at));
    write(out);
    out.append(object.substr(at + old.size()));
    return;
  }
  const auto inside = json::trim(object.substr(1, object.size() - 2));
  out.append("{").append(inside);
  if (!inside.empty()) out += ',';
  out.append("\"").append(key).append("\":");
  write(out);
  out += '}';
}

/// [any] Appends an event. The message's buffers, if it has any, become base64 in data.buffers.
inline void append_json_event(const Outbound& message, std::string& out) {
  out.append("{\"op\":\"").append(message.op).append("\",\"seq\":");
  if (message.has_seq) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, message.seq).ptr;
    out.append(digits, end);
  } else {
    out += "null";
  }
  out += ",\"data\":";
  if (message.sizes.empty() && message.payload.empty()) {
    out.append(message.data.empty() ? std::string_view("null") : message.data);
  } else {
    append_object_with(message.data, "buffers", out,
                       [&](std::string& to) { append_base64_array(message.payload, message.sizes, to); });
  }
  out += '}';
}

}  // namespace lectern::sdk
