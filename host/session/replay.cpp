#include "session/replay.hpp"

#include "runtime/widget_view.hpp"

namespace lectern::session {

MessagePtr Replay::next() {
  while (!pieces_.empty()) {
    auto& piece = pieces_.front();
    auto* cell = std::get_if<runtime::CellView>(&piece);
    if (cell != nullptr && !cell->outputs.ready()) return nullptr;
    MessagePtr message;
    if (cell == nullptr) {
      auto& told = std::get<Told>(piece);
      check(told);
      message = std::move(told.message);
    } else if (auto data = cell->data(); !data.empty()) {
      check(*cell);
      message = event_message(Op::cell_op, std::move(data));
      message->counts = false;
    }
    pieces_.pop_front();
    if (pieces_.empty()) end();
    if (message) return message;
  }
  return nullptr;
}

void Replay::check(const Told& told) {
  if (!order_.broken) return;
  for (const auto& id : told.opens) {
    if (!models_.opened(id)) order_.broken(id);
  }
}

void Replay::check(const runtime::CellView& cell) {
  if (!order_.broken) return;
  for (const auto& output : cell.outputs.outputs()) {
    if (const auto id = runtime::model_named_by(*output); !id.empty()) models_.named(id);
  }
}

// A connection has its replay for as long as it lives: what was known of models goes.
void Replay::end() {
  const auto order = std::exchange(order_, {});
  const auto models = std::exchange(models_, {});
  if (!order.broken) return;
  for (const auto& id : models.not_opened()) {
    if (order.exists(id)) order.broken(id);
  }
}

}  // namespace lectern::session
