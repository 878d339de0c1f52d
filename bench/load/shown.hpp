// The text of one cell as a viewer has it, put together from `cell-op` events.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "load/socket.hpp"

namespace load {

class ShownText {
 public:
  explicit ShownText(std::string cell_id) : cell_id_(std::move(cell_id)) {}
  /// Takes any frame; those that are about other things change nothing.
  void take(const Message& message);
  /// Reads from `socket` until the run ended.
  void until_idle(Socket& socket);
  /// Of all outputs, one after the other.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] const std::string& status() const { return status_; }
  [[nodiscard]] std::size_t resyncs() const { return resyncs_; }

 private:
  std::string cell_id_, status_;
  std::vector<std::string> outputs_;
  std::size_t resyncs_ = 0;
};

/// The text of one output, in the shape of a file or of the wire.
std::string text_of_output(const lectern::json::Value& output);

}  // namespace load
