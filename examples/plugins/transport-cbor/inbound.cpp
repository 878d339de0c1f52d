#include "inbound.hpp"

#include "cbor.hpp"

namespace {

using cbor::Item;
using cbor::Type;
using lectern::sdk::Failure;
using lectern::sdk::Inbound;
using lectern::sdk::InboundSink;

const Item* member(const Item& map, std::string_view key, Type type, const char* expected) {
  const Item* found = map.find(key);
  if (found == nullptr || found->type == Type::null) return nullptr;
  if (found->type != type) throw Failure(LECTERN_INVALID, std::string(key) + " must be " + expected);
  return found;
}

std::string_view text(const Item& map, std::string_view key) {
  const Item* found = member(map, key, Type::text, "a text");
  return found == nullptr ? std::string_view() : found->text;
}

/// A list of byte strings, put together, with the sizes that take it apart again.
struct Pieces {
  std::string payload;
  std::vector<std::uint64_t> sizes;
};

Pieces pieces(const Item& map, std::string_view key) {
  Pieces made;
  const Item* list = member(map, key, Type::array, "a list of byte strings");
  if (list == nullptr) return made;
  for (const Item& one : list->items) {
    if (one.type != Type::bytes) throw Failure(LECTERN_INVALID, std::string(key) + " must be a list of byte strings");
    made.payload += one.text;
    made.sizes.push_back(one.text.size());
  }
  return made;
}

std::uint32_t document(const Item& map) {
  const auto name = text(map, "document");
  if (name.empty() || name == "notebook") return LECTERN_DOCUMENT_NOTEBOOK;
  if (name == "models") return LECTERN_DOCUMENT_MODELS;
  throw Failure(LECTERN_INVALID, "document must be notebook or models");
}

void understand(const Item& frame, const InboundSink& out) {
  Inbound message;
  if (const auto key = text(frame, "client"); !key.empty()) {
    message.kind = LECTERN_IN_HELLO;
    message.body = key;
    return out.message(message);
  }
  if (const Item* sync = member(frame, "sync", Type::bytes, "a byte string")) {
    message.kind = LECTERN_IN_SYNC;
    message.document = document(frame);
    message.payload = sync->text;
    return out.message(message);
  }
  message.id = text(frame, "id");
  message.name = text(frame, "command");
  const bool changes = frame.find("changes") != nullptr;
  if (message.name.empty() && !changes) return;  // of a later version: unknown frames are ignored
  if (message.id.empty()) throw Failure(LECTERN_INVALID, "id is missing");
  if (const Item* epoch = member(frame, "epoch", Type::integer, "a whole number that is not negative")) {
    message.has_epoch = true;
    message.epoch = epoch->number;
  }
  const Pieces parts = pieces(frame, changes ? "changes" : "buffers");
  message.payload = parts.payload;
  message.sizes = parts.sizes;
  if (changes) {
    message.kind = LECTERN_IN_CHANGES;
    message.document = document(frame);
    const Item* flush = member(frame, "flush", Type::boolean, "true or false");
    message.flags = flush != nullptr && flush->flag ? LECTERN_IN_FLUSH : 0;
    return out.message(message);
  }
  std::string body = "{}";
  if (const Item* given = member(frame, "body", Type::map, "a map")) {
    body.clear();
    cbor::to_json(*given, body);
  }
  message.body = body;
  out.message(message);
}

}  // namespace

void receive_cbor(std::string_view bytes, const InboundSink& out) {
  std::string id;
  try {
    const Item frame = cbor::decode(bytes);
    if (frame.type != Type::map) throw Failure(LECTERN_INVALID, "a frame must be a map");
    const Item* given = frame.find("id");
    if (given != nullptr && given->type == Type::text) id = given->text;
    understand(frame, out);
  } catch (const Failure& wrong) {  // an answer for the sender; the connection stays
    Inbound message;
    message.kind = LECTERN_IN_MALFORMED;
    message.id = id;
    message.name = "bad_request";
    const std::string what = wrong.what();
    message.body = what;
    out.message(message);
  }
}
