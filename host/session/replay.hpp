// What a connection is told before everything else: kernel-ready, then a gap or a snapshot, then replay-complete. All
// of it is of one moment, taken at once; the outputs of cells are written only when the socket takes them, so that a
// large notebook holds up neither its first frame nor the reactor, and waits in memory once and not once per joiner.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <variant>

#include "runtime/cell_view.hpp"
#include "session/message.hpp"

namespace lectern::session {

/// Everything [reactor].
class Replay {
 public:
  void add(MessagePtr message) {
    message->counts = false;  // a snapshot may be larger than what a consumer may have waiting
    pieces_.emplace_back(std::move(message));
  }
  void add(Op op, std::string data) { add(event_message(op, std::move(data))); }
  /// A cell's cell-op; nothing when it has nothing to say.
  void add(runtime::CellView cell) { pieces_.emplace_back(std::move(cell)); }

  [[nodiscard]] bool over() const { return pieces_.empty(); }
  /// The next message; null when it is over, or when a worker has yet to look at the next cell's outputs.
  MessagePtr next() {
    while (!pieces_.empty()) {
      auto& piece = pieces_.front();
      auto* cell = std::get_if<runtime::CellView>(&piece);
      if (cell != nullptr && !cell->outputs.ready()) return nullptr;
      MessagePtr message;
      if (cell == nullptr) {
        message = std::move(std::get<MessagePtr>(piece));
      } else if (auto data = cell->data(); !data.empty()) {
        message = event_message(Op::cell_op, std::move(data));
        message->counts = false;
      }
      pieces_.pop_front();
      if (message) return message;
    }
    return nullptr;
  }
  void drop() { pieces_.clear(); }

 private:
  std::deque<std::variant<MessagePtr, runtime::CellView>> pieces_;
};

}  // namespace lectern::session
