#include "relay/frames.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::relay {
namespace {

constexpr std::size_t prefix = 4;
constexpr std::size_t max_reason = 123;  // RFC 6455 5.5: a control frame has 125 bytes, two of them the code
constexpr json::Limits header_limits{max_header, 4, max_channels + 512, true};

struct OpName {
  Op op;
  std::string_view name;
  bool viewers, session;  // who may send it
  bool one;               // names one channel
};
constexpr std::array<OpName, 7> ops = {{{Op::open, "open", true, false, true},
                                        {Op::frame, "frame", true, true, false},
                                        {Op::close, "close", true, false, true},
                                        {Op::full, "full", true, false, false},
                                        {Op::drained, "drained", true, false, false},
                                        {Op::refused, "refused", false, true, true},
                                        {Op::closed, "closed", false, true, true}}};

constexpr std::array<std::pair<std::string_view, std::uint32_t>, 3> scopes = {
    {{"view", 0}, {"interact", 2}, {"edit", 3}}};

const OpName& spec_of(Op op) {
  return *std::find_if(ops.begin(), ops.end(), [op](const OpName& one) { return one.op == op; });
}

/// A viewer's frame is of one channel; the session's goes to several.
bool single(const OpName& spec, From from) {
  return spec.one || (spec.op == Op::frame && from == From::viewers);
}

tl::unexpected<Error> bad(std::string what) {
  return fail(400, "bad_relay_frame", std::move(what),
              "speak " + std::string(subprotocol) + " as docs/protocol.md has it");
}

tl::unexpected<Error> large(std::string_view what, std::size_t bytes, std::size_t most) {
  return fail(
      413, "too_large",
      std::string(what) + " has " + std::to_string(bytes) + " bytes; at most " + std::to_string(most) + " are taken");
}

std::size_t payload_bound(From from) {
  return from == From::viewers ? max_payload : max_session_payload;
}

Result<Channel> channel_of(const json::Value& value) {
  const auto number = value.as_uint();
  if (!number || *number == 0 || *number > std::numeric_limits<Channel>::max()) {
    return bad("the header's c names a channel that is no number from 1 to 4294967295");
  }
  return static_cast<Channel>(*number);
}

Result<std::vector<Channel>> channels_of(const json::Value& header, const OpName& spec, From from) {
  const auto* c = header.find("c");
  if (c == nullptr) return bad("the header has no c");
  std::vector<Channel> out;
  if (const auto* list = c->as_array()) {
    if (list->size() > max_channels) return bad("the header's c names more than 4096 channels");
    out.reserve(list->size());
    for (const auto& one : *list) {
      LECTERN_TRY(const auto channel, channel_of(one));
      out.push_back(channel);
    }
  } else {
    LECTERN_TRY(const auto channel, channel_of(*c));
    out.push_back(channel);
  }
  if (out.empty()) return bad("the header's c names no channel");
  if (out.size() > 1 && single(spec, from)) {
    return bad("'" + std::string(spec.name) + "' is of one channel, and the header's c names several");
  }
  return out;
}

Result<std::string> text_member(const json::Value& header, std::string_view key, bool needed) {
  const auto* value = header.find(key);
  if (value == nullptr && !needed) return std::string();
  if (value == nullptr || !value->is_string()) return bad("the header's " + std::string(key) + " must be a string");
  return *value->as_string();
}

Result<bool> flag_member(const json::Value& header, std::string_view key) {
  const auto* value = header.find(key);
  const auto flag = value == nullptr ? std::nullopt : value->as_bool();
  if (!flag) return bad("the header's " + std::string(key) + " must be true or false");
  return *flag;
}

Result<std::uint64_t> number_member(const json::Value& object, std::string_view key, std::uint64_t low,
                                    std::uint64_t high) {
  const auto* value = object.find(key);
  const auto number = value == nullptr ? std::nullopt : value->as_uint();
  if (!number || *number < low || *number > high) {
    return bad("the header's " + std::string(key) + " must be a number from " + std::to_string(low) + " to " +
               std::to_string(high));
  }
  return *number;
}

Status read_open(const json::Value& header, Header& out) {
  if (const auto* query = header.find("query")) {
    const auto* members = query->as_object();
    if (members == nullptr) return bad("the header's query must be an object");
    for (const auto& [key, value] : *members) {
      if (!value.is_string()) return bad("the header's query." + text::label(key, 40) + " must be a string");
    }
    out.query_json = json::write(*query);
  } else {
    out.query_json = "{}";
  }
  LECTERN_TRY(out.client_key, text_member(header, "client_key", false));
  LECTERN_TRY(out.last, text_member(header, "last", false));
  LECTERN_TRY(const auto scope, text_member(header, "scope", true));
  for (const auto& [name, bits] : scopes) {
    if (scope != name) continue;
    out.scope = bits;
    return {};
  }
  return bad("the header's scope is '" + text::label(scope, 40) + "', not view, interact or edit");
}

Status read_refused(const json::Value& header, Header& out) {
  LECTERN_TRY(const auto status, number_member(header, "status", 400, 599));
  const auto* error = header.find("error");
  if (error == nullptr || !error->is_object()) return bad("the header's error must be an object");
  out.error.status = static_cast<int>(status);
  LECTERN_TRY(out.error.code, text_member(*error, "code", true));
  LECTERN_TRY(out.error.message, text_member(*error, "message", true));
  LECTERN_TRY(out.error.hint, text_member(*error, "hint", false));
  return {};
}

Status read_closed(const json::Value& header, Header& out) {
  LECTERN_TRY(const auto code, number_member(header, "code", 1000, 4999));
  out.code = static_cast<std::uint16_t>(code);
  LECTERN_TRY(out.reason, text_member(header, "reason", false));
  if (out.reason.size() > max_reason) return bad("the header's reason is longer than 123 bytes");
  return {};
}

Status read_rest(const json::Value& header, Header& out) {
  switch (out.op) {
    case Op::open:
      return read_open(header, out);
    case Op::frame: {
      LECTERN_TRY(out.text, flag_member(header, "text"));
      return {};
    }
    case Op::close: {
      LECTERN_TRY(out.clean, flag_member(header, "clean"));
      if (header.find("revoked") == nullptr) return {};  // as of hosts that do not tell
      LECTERN_TRY(out.revoked, flag_member(header, "revoked"));
      return {};
    }
    case Op::refused:
      return read_refused(header, out);
    case Op::closed:
      return read_closed(header, out);
    case Op::full:
    case Op::drained:
      return {};
  }
  return {};
}

Result<Header> read_header(std::string_view text, From from) {
  auto parsed = json::parse(text, header_limits);
  if (!parsed) return bad("the header is no JSON this host reads: " + parsed.error().message);
  if (!parsed->is_object()) return bad("the header must be a JSON object");
  LECTERN_TRY(const auto name, text_member(*parsed, "op", true));
  const auto* spec = std::find_if(ops.begin(), ops.end(), [&](const OpName& one) { return one.name == name; });
  const bool known = spec != ops.end() && (from == From::viewers ? spec->viewers : spec->session);
  if (!known) return bad("the header's op '" + text::label(name, 40) + "' is none that is sent in this direction");
  Header out;
  out.op = spec->op;
  LECTERN_TRY(out.channels, channels_of(*parsed, *spec, from));
  LECTERN_CHECK(read_rest(*parsed, out));
  return out;
}

void write_channels(json::Writer& writer, const std::vector<Channel>& channels, bool one) {
  writer.key("c");
  if (one) {
    writer.unsigned_integer(channels.front());
    return;
  }
  writer.begin_array();
  for (const auto channel : channels) writer.unsigned_integer(channel);
  writer.end_array();
}

/// `reason` cut to what fits, at a character.
std::string_view cut_reason(std::string_view reason) {
  if (reason.size() <= max_reason) return reason;
  auto size = max_reason;
  while (size > 0 && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
  return reason.substr(0, size);
}

std::string_view scope_name(std::uint32_t bits) {
  return (bits & 1u) != 0 ? "edit" : (bits & 2u) != 0 ? "interact" : "view";
}

void write_rest(json::Writer& writer, const Header& header) {
  switch (header.op) {
    case Op::open:
      writer.member_raw("query", header.query_json.empty() ? "{}" : header.query_json);
      writer.member("client_key", header.client_key).member("scope", scope_name(header.scope));
      if (!header.last.empty()) writer.member("last", header.last);
      break;
    case Op::frame:
      writer.member("text", header.text);
      break;
    case Op::close:
      writer.member("clean", header.clean);
      if (header.revoked) writer.member("revoked", true);
      break;
    case Op::refused:
      writer.member("status", header.error.status).key("error").begin_object();
      writer.member("code", header.error.code).member("message", header.error.message);
      if (!header.error.hint.empty()) writer.member("hint", header.error.hint);
      writer.end_object();
      break;
    case Op::closed:
      writer.member("code", static_cast<int>(header.code)).member("reason", cut_reason(header.reason));
      break;
    case Op::full:
    case Op::drained:
      break;
  }
}

}  // namespace

Result<Message> decode(std::string_view bytes, From from) {
  if (bytes.size() < prefix) return bad("a message is shorter than the length of its header");
  std::size_t size = 0;
  for (std::size_t i = 0; i < prefix; ++i) size |= std::size_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  if (size > max_header) return large("the header of a message", size, max_header);
  if (size > bytes.size() - prefix) return bad("a message ends within its header");
  Message out;
  LECTERN_TRY(out.header, read_header(bytes.substr(prefix, size), from));
  out.payload = bytes.substr(prefix + size);
  if (out.payload.size() > payload_bound(from)) {
    return large("the payload of a message", out.payload.size(), payload_bound(from));
  }
  if (out.header.op != Op::frame && !out.payload.empty()) {
    return bad("a message that is no frame has a payload");
  }
  if (out.header.op == Op::frame && out.header.text && !text::valid_utf8(out.payload)) {
    return bad("the payload of a text frame is not valid UTF-8");
  }
  return out;
}

Result<std::string> encode(const Header& header, From from, std::string_view payload) {
  if (payload.size() > payload_bound(from)) {
    return large("the payload of a message", payload.size(), payload_bound(from));
  }
  std::string json;
  json::Writer writer(json);
  const auto& spec = spec_of(header.op);
  writer.begin_object().member("op", spec.name);
  write_channels(writer, header.channels, single(spec, from));
  write_rest(writer, header);
  writer.end_object();
  if (json.size() > max_header) return large("the header of a message", json.size(), max_header);
  std::string out;
  out.reserve(prefix + json.size() + payload.size());
  for (std::size_t i = 0; i < prefix; ++i) out.push_back(static_cast<char>(json.size() >> (8 * i) & 0xff));
  out += json;
  out += payload;
  return out;
}

std::uint16_t close_code(const Error& error) {
  return error.status == 413 ? 1009 : 1007;
}

}  // namespace lectern::relay
