#include "inbound.hpp"

#include <charconv>
#include <utility>

#include "frames.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern_v1 {
namespace {

namespace json = lectern::sdk::json;
using lectern::sdk::Inbound;
using lectern::sdk::InboundSink;

constexpr std::size_t max_id = 128;
constexpr std::size_t max_name = 64;
constexpr std::size_t max_sizes = 10'000;

/// What is wrong with a frame, for the sender. Thrown inside this file only.
struct Wrong {
  std::string what;
};

/// The members this codec knows; each is a slice of the frame, empty when absent.
struct Members {
  std::string_view id, command, epoch, body, client, sizes, flush;
};

/// `name` as it reads, whatever escapes it was written with.
std::string_view* find(Members& members, std::string_view quoted, std::string& scratch) {
  auto name = quoted.substr(1, quoted.size() - 2);
  if (name.find('\\') != std::string_view::npos) {
    scratch = json::text(quoted);
    name = scratch;
  }
  if (name == "id") return &members.id;
  if (name == "command") return &members.command;
  if (name == "epoch") return &members.epoch;
  if (name == "body") return &members.body;
  if (name == "client") return &members.client;
  if (name == "sizes") return &members.sizes;
  if (name == "flush") return &members.flush;
  return nullptr;
}

Members read_members(std::string_view object, std::string_view where) {
  Members members;
  std::string scratch;
  bool twice = false;
  // Of a text frame the host has made sure; a header in a binary one may be anything.
  if (!lectern::sdk::valid_utf8(object)) throw Wrong{std::string(where) + " is not UTF-8"};
  if (!json::valid(object)) throw Wrong{std::string(where) + " is not valid JSON, or nests too deep"};
  const bool is_object = json::each_member(object, [&](std::string_view key, std::string_view value) {
    if (auto* member = find(members, key, scratch)) {
      twice = twice || !member->empty();
      *member = value;
    }
    return true;
  });
  if (!is_object) throw Wrong{std::string(where) + " must be a JSON object"};
  // Which of two counts is where parsers differ; nobody sends both by mistake.
  if (twice) throw Wrong{std::string(where) + " has a member twice"};
  return members;
}

/// Half of a pair is no character. Reading it as the replacement character would make one name of several.
bool has_lone_surrogate(std::string_view slice) {
  for (std::size_t at = 0; (at = slice.find('\\', at)) != std::string_view::npos;) {
    const auto unit = [slice](std::size_t from) -> unsigned {
      unsigned value = 0;
      if (slice.substr(from, 2) != "\\u" || from + 6 > slice.size()) return 0;
      std::from_chars(slice.data() + from + 2, slice.data() + from + 6, value, 16);
      return value & 0xfc00U;
    };
    const auto first = unit(at);
    if (first == 0xdc00U || (first == 0xd800U && unit(at + 6) != 0xdc00U)) return true;
    at += first == 0xd800U ? 12 : 2;
  }
  return false;
}

std::string text_member(std::string_view slice, std::string_view name, std::size_t limit) {
  if (!json::is_string(slice)) throw Wrong{std::string(name) + " must be a string"};
  if (has_lone_surrogate(slice)) throw Wrong{std::string(name) + " has half of a surrogate pair"};
  auto text = json::text(slice);
  if (text.empty() || text.size() > limit) {
    throw Wrong{std::string(name) + " must have 1 to " + std::to_string(limit) + " bytes"};
  }
  return text;
}

std::uint64_t unsigned_integer(std::string_view slice, const std::string& name) {
  std::uint64_t value = 0;
  const auto* end = slice.data() + slice.size();
  const auto [stop, error] = std::from_chars(slice.data(), end, value);
  if (error != std::errc() || stop != end) throw Wrong{name + " must be a whole number that is not negative"};
  return value;
}

void read_epoch(std::string_view slice, Inbound& message) {
  if (slice.empty() || slice == "null") return;
  message.epoch = unsigned_integer(slice, "epoch");
  message.has_epoch = true;
}

/// Sizes that cut `payload` exactly.
std::vector<std::uint64_t> read_sizes(std::string_view slice, std::string_view payload) {
  if (!json::is_array(slice)) throw Wrong{"header.sizes must be an array of numbers"};
  std::vector<std::uint64_t> sizes;
  std::uint64_t left = payload.size();
  json::each_item(slice, [&](std::string_view item) {
    const auto name = "header.sizes[" + std::to_string(sizes.size()) + "]";
    if (sizes.size() == max_sizes) throw Wrong{"header.sizes has more than " + std::to_string(max_sizes) + " items"};
    const auto size = unsigned_integer(item, name);
    if (size > left) throw Wrong{name + " is more than what is left of the payload"};
    left -= size;
    sizes.push_back(size);
    return true;
  });
  if (left != 0) throw Wrong{"header.sizes leave " + std::to_string(left) + " bytes of the payload over"};
  return sizes;
}

void malformed(std::string_view id, const Wrong& wrong, const InboundSink& out) {
  Inbound message;
  message.kind = LECTERN_IN_MALFORMED;
  message.id = id;
  message.name = "bad_request";
  message.body = wrong.what;
  out.message(message);
}

/// The id of a frame that cannot be read, where it stands before what is wrong with it; else empty.
std::string id_in(std::string_view object) {
  if (!lectern::sdk::valid_utf8(object)) return {};
  Members members;
  std::string scratch;
  bool twice = false;
  json::each_member(object, [&](std::string_view key, std::string_view value) {
    auto* member = find(members, key, scratch);
    if (member != &members.id) return true;
    twice = !member->empty();
    *member = value;
    return !twice;
  });
  try {
    return twice ? std::string() : text_member(members.id, "id", max_id);
  } catch (const Wrong&) {
    return {};
  }
}

/// Runs `read` and, when it finds something wrong, says so under the id the sender gave.
template <class Read>
void answering(std::string& id, const InboundSink& out, Read&& read) {
  try {
    read();
  } catch (const Wrong& wrong) {
    malformed(id, wrong, out);
  }
}

void read_command(const Members& members, std::string& id, Waiting& waiting, const InboundSink& out) {
  const Waiting buffers = std::exchange(waiting, {});
  if (members.id.empty()) throw Wrong{"id is missing"};
  id = text_member(members.id, "id", max_id);
  Inbound message;
  message.kind = LECTERN_IN_COMMAND;
  if (members.command.empty()) throw Wrong{"command is missing"};
  const auto name = text_member(members.command, "command", max_name);
  read_epoch(members.epoch, message);
  if (!members.body.empty() && !json::is_object(members.body)) throw Wrong{"body must be an object"};
  message.id = id;
  message.name = name;
  message.body = members.body.empty() ? std::string_view("{}") : members.body;
  message.payload = buffers.payload;
  message.sizes = buffers.sizes;
  out.message(message);
}

void read_changes(const BinaryFrame& frame, std::string& id, const InboundSink& out) {
  const auto members = read_members(frame.header, "header");
  if (members.id.empty()) throw Wrong{"header.id is missing"};
  id = text_member(members.id, "header.id", max_id);
  Inbound message;
  message.kind = LECTERN_IN_CHANGES;
  message.document = frame.kind == notebook_changes ? LECTERN_DOCUMENT_NOTEBOOK : LECTERN_DOCUMENT_MODELS;
  read_epoch(members.epoch, message);
  if (!members.flush.empty() && members.flush != "true" && members.flush != "false") {
    throw Wrong{"header.flush must be true or false"};
  }
  if (members.flush == "true") message.flags |= LECTERN_IN_FLUSH;
  const auto sizes = read_sizes(members.sizes, frame.payload);
  message.id = id;
  message.payload = frame.payload;
  message.sizes = sizes;
  out.message(message);
}

Members read_frame(std::string_view bytes, std::string& id, Waiting& waiting) {
  try {
    return read_members(bytes, "the frame");
  } catch (const Wrong&) {
    waiting = {};  // they were this one's
    id = id_in(bytes);
    throw;
  }
}

}  // namespace

void receive_text(std::string_view bytes, Waiting& waiting, const InboundSink& out) {
  std::string id;
  answering(id, out, [&] {
    const auto members = read_frame(bytes, id, waiting);
    if (!members.client.empty()) {
      const auto key = text_member(members.client, "client", 256);
      Inbound message;
      message.kind = LECTERN_IN_HELLO;
      message.body = key;
      return out.message(message);
    }
    // Neither: a frame of a later protocol.
    if (!members.command.empty() || !members.id.empty()) read_command(members, id, waiting, out);
  });
}

void receive_binary(std::string_view bytes, Waiting& waiting, const InboundSink& out) {
  std::string id;
  answering(id, out, [&] {
    const unsigned kind = bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]);
    if (kind == 0 || kind >= document) return;  // of a later protocol, or what only the host sends
    const auto frame = split(bytes);
    if (!frame) throw Wrong{"a binary frame is shorter than its header says"};
    if (frame->kind == notebook_changes || frame->kind == models_changes) return read_changes(*frame, id, out);
    if (frame->kind == notebook_sync || frame->kind == models_sync) {
      Inbound message;
      message.kind = LECTERN_IN_SYNC;
      message.document = frame->kind == notebook_sync ? LECTERN_DOCUMENT_NOTEBOOK : LECTERN_DOCUMENT_MODELS;
      message.payload = frame->payload;
      return out.message(message);
    }
    if (frame->kind == buffers) {
      waiting = {};
      const auto sizes = read_sizes(read_members(frame->header, "header").sizes, frame->payload);
      waiting = {std::string(frame->payload), sizes};
    }
  });
}

}  // namespace lectern_v1
