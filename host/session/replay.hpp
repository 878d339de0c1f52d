// What a connection is told before everything else: kernel-ready, then a gap or a snapshot, then replay-complete. All
// of it is of one moment, taken at once; the outputs of cells are written only when the socket takes them, so that a
// large notebook holds up neither its first frame nor the reactor, and waits in memory once and not once per joiner.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/cell_view.hpp"
#include "session/message.hpp"
#include "session/opened_before_named.hpp"

namespace lectern::session {

/// Everything [reactor].
class Replay {
 public:
  void add(MessagePtr message) { add_opening(std::move(message), {}); }
  void add(Op op, std::string data) { add(event_message(op, std::move(data))); }
  /// The viewer has these models when it has the message.
  void add_opening(MessagePtr message, std::vector<std::string> model_ids) {
    message->counts = false;  // a snapshot may be larger than what a consumer may have waiting
    pieces_.emplace_back(Told{std::move(message), std::move(model_ids)});
  }
  /// A cell's cell-op; nothing when it has nothing to say.
  void add(runtime::CellView cell) { pieces_.emplace_back(std::move(cell)); }

  /// It is a whole snapshot: what its outputs name must be opened in it, and before. Who put it together is told of a
  /// model by which it is not so: one that is opened too late, or not at all though it `exists`.
  struct Order {
    std::function<bool(const std::string& model_id)> exists;
    std::function<void(const std::string& model_id)> broken;
  };
  void is_snapshot(Order order) { order_ = std::move(order); }

  [[nodiscard]] bool over() const { return pieces_.empty(); }
  /// The next message; null when it is over, or when a worker has yet to look at the next cell's outputs.
  MessagePtr next();
  void drop() {
    pieces_.clear();
    order_ = {};
    models_ = {};
  }

 private:
  struct Told {
    MessagePtr message;
    std::vector<std::string> opens;
  };
  void check(const Told& told);
  void check(const runtime::CellView& cell);
  void end();

  std::deque<std::variant<Told, runtime::CellView>> pieces_;
  Order order_;  // empty: of a gap, which is as everybody was told it
  OpenedBeforeNamed models_;
};

}  // namespace lectern::session
