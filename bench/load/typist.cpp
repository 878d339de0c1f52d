#include "load/typist.hpp"

#include <cstring>

namespace load {
namespace {

lectern::document::NotebookDocument document_of(const Socket& socket) {
  auto document = lectern::document::NotebookDocument::load(socket.document());
  if (!document) give_up(document.error().message);
  return std::move(*document);
}

}  // namespace

Typist::Typist(const Socket& socket) : document_(document_of(socket)), actor_(socket.actor()), epoch_(socket.epoch()) {}

void Typist::splice(const std::string& cell_id, std::uint64_t index, std::uint64_t deleted, const std::string& text) {
  const lectern::document::SpliceSource typed{cell_id, index, deleted, text};
  auto applied = document_.apply_transaction(actor_, {typed}, document_.version());
  if (!applied) give_up(applied.error().message);
  for (auto& chunk : applied->chunks) changes_.push_back(std::move(chunk));
}

Edit Typist::submission() {
  Edit edit;
  edit.id = "k" + std::to_string(next_++);
  std::string sizes;
  for (const auto& change : changes_) {
    edit.payload += change;
    sizes += (sizes.empty() ? "" : ",") + std::to_string(change.size());
  }
  changes_.clear();
  const auto header = "{\"id\":\"" + edit.id + "\",\"epoch\":" + std::to_string(epoch_) + ",\"sizes\":[" + sizes + "]}";
  const auto length = static_cast<std::uint32_t>(header.size());
  edit.frame.assign(5, '\3');
  std::memcpy(edit.frame.data() + 1, &length, 4);
  edit.frame += header + edit.payload;
  return edit;
}

std::string_view payload_of(const Message& message) {
  std::uint32_t header = 0;
  if (!message.binary || message.bytes.size() < 5) return {};
  std::memcpy(&header, message.bytes.data() + 1, 4);
  return std::string_view(message.bytes).substr(5 + header);
}

}  // namespace load
