#include "relay/session_frames.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/number.hpp"
#include "base/text.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace lectern::relay {
namespace {

namespace slice = sdk::json;
using plugin::DocumentKind;
using plugin::Outbound;
using plugin::OutboundKind;

constexpr std::size_t longest_name = 64;
constexpr std::size_t prefix_size = 5;
enum Kind : unsigned char { notebook_changes = 3, models_changes = 4, whole_document = 6 };

Status malformed(std::string what) {
  return fail(400, "bad_frame", "a frame of the session is not lectern.v1: " + std::move(what),
              "use matching versions of the two hosts");
}

/// Names go out as they are: in JSON, and in the lines of an event stream.
bool is_name(std::string_view text) {
  const auto fits = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= longest_name && std::all_of(text.begin(), text.end(), fits);
}

struct Binary {
  unsigned char kind = 0;
  std::string_view header, payload;
};

std::optional<Binary> split(std::string_view bytes) {
  if (bytes.size() < prefix_size) return std::nullopt;
  std::size_t length = 0;
  for (unsigned i = 0; i < 4; ++i) length |= std::size_t{static_cast<unsigned char>(bytes[1 + i])} << (8 * i);
  const auto rest = bytes.substr(prefix_size);
  if (length > rest.size()) return std::nullopt;
  return Binary{static_cast<unsigned char>(bytes[0]), rest.substr(0, length), rest.substr(length)};
}

/// Empty unless they cut all of `payload`.
std::optional<std::vector<std::uint64_t>> read_sizes(std::string_view list, std::string_view payload) {
  std::vector<std::uint64_t> sizes;
  std::uint64_t left = payload.size();
  const bool whole = slice::each_item(list, [&](std::string_view item) {
    const auto size = text::number<std::uint64_t>(item);
    if (!size || *size > left) return false;
    left -= *size;
    sizes.push_back(*size);
    return true;
  });
  if (!whole || left != 0) return std::nullopt;
  return sizes;
}

/// The header without its `sizes`, which each encoding says in its own way.
std::optional<std::string> without_sizes(std::string_view header, std::string_view& sizes) {
  std::string out = "{";
  const bool object = slice::each_member(header, [&](std::string_view key, std::string_view value) {
    if (key == R"("sizes")") {
      sizes = value;
      return true;
    }
    if (out.size() > 1) out += ',';
    out.append(key).append(":").append(value);
    return true;
  });
  if (!object) return std::nullopt;
  return out += '}';
}

Status read_changes(const Binary& frame, const std::function<void(const Outbound&)>& out) {
  std::string_view list;
  const auto header = without_sizes(frame.header, list);
  if (!header) return malformed("the header of changes is not an object");
  const auto sizes = read_sizes(list, frame.payload);
  if (!sizes) return malformed("the sizes of changes do not cut their payload");
  Outbound message;
  message.kind = OutboundKind::changes;
  message.document = frame.kind == models_changes ? DocumentKind::models : DocumentKind::notebook;
  message.data = *header;
  message.payload = frame.payload;
  message.sizes = *sizes;
  out(message);
  return {};
}

Status read_binary(std::string_view bytes, const std::function<void(const Outbound&)>& out) {
  const auto frame = split(bytes);
  if (!frame) return malformed("a binary frame is shorter than its header says");
  const bool changes = frame->kind == notebook_changes || frame->kind == models_changes;
  if (!changes && frame->kind != whole_document) return {};
  if (!text::valid_utf8(frame->header)) return malformed("a header is not UTF-8");
  if (changes) return read_changes(*frame, out);
  if (!slice::is_object(frame->header) || !slice::valid(frame->header)) {
    return malformed("the header of a document is not an object");
  }
  Outbound message;
  message.kind = OutboundKind::document;
  message.data = frame->header;
  message.payload = frame->payload;
  out(message);
  return {};
}

}  // namespace

Status SessionFrames::read(const session::Frame& frame, const std::function<void(const Outbound&)>& out) {
  return frame.binary ? read_binary(frame.bytes, out) : read_event(frame.bytes, out);
}

Status SessionFrames::read_event(std::string_view text, const std::function<void(const Outbound&)>& out) {
  if (!text::valid_utf8(text)) return malformed("an event is not UTF-8");
  std::string_view op, seq, data;
  const bool object = slice::each_member(text, [&](std::string_view key, std::string_view value) {
    if (key == R"("op")") op = value;
    if (key == R"("seq")") seq = value;
    if (key == R"("data")") data = value;
    return true;
  });
  if (!object) return malformed("an event is not an object");
  const auto name = slice::text(op);
  if (!is_name(name)) return malformed("an event has no name");
  if (!slice::is_object(data)) return malformed("the data of '" + name + "' is not an object");
  Outbound message;
  message.op = name;
  message.data = data;
  if (!seq.empty() && seq != "null") {
    const auto number = text::number<std::uint64_t>(seq);
    if (!number) return malformed("the seq of '" + name + "' is not a number");
    message.has_seq = true;
    message.seq = *number;
  }
  if (name == "kernel-ready") {
    stream_ = slice::text(slice::member(data, "stream"));
    if (!is_name(stream_)) return malformed("kernel-ready names no stream");
  }
  message.stream = stream_;
  out(message);
  return {};
}

}  // namespace lectern::relay
