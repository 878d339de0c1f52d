// Somebody who types: a document of the driver's own, and the frames of its edits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "document/notebook_document.hpp"
#include "load/socket.hpp"

namespace load {

/// A `03` frame. The host tells the others of `payload` in the bytes it came in.
struct Edit {
  std::string id, frame, payload;
};

class Typist {
 public:
  /// Takes the document that `socket` (document=changes) was given, and writes under its actor and epoch.
  explicit Typist(const Socket& socket);
  /// Replaces `deleted` characters by `text`: one change, as a keystroke is.
  void splice(const std::string& cell_id, std::uint64_t index, std::uint64_t deleted, const std::string& text);
  /// Everything since the last call, as one submission.
  Edit submission();

 private:
  lectern::document::NotebookDocument document_;
  std::string actor_;
  std::uint64_t epoch_ = 0, next_ = 0;
  std::vector<std::string> changes_;
};

/// The payload of a binary frame of lectern.v1.
std::string_view payload_of(const Message& message);

}  // namespace load
