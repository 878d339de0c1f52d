#include "runtime/capture.hpp"

#include <algorithm>
#include <utility>

#include "runtime/whole_output.hpp"

namespace lectern::runtime {
namespace {

// A widget's outputs live in its state, which every viewer gets whole: nothing goes to a blob, and there is an end.
constexpr OutputLimits limits{std::size_t{64} << 20, std::size_t{8} << 20, 2'000};

const json::Value* state_member(const ModelEvent& event, std::string_view key) {
  const auto* state = event.message.find("state");
  return state == nullptr ? nullptr : state->find(key);
}

}  // namespace

Capture::Capture(BlobStore& blobs, ModelStore& models) : models_(models), outputs_(blobs, limits) {}

bool Capture::heard(const ModelEvent& event, std::uint64_t execution) {
  const auto of_model = [&](const Open& open) { return open.model_id == event.model_id; };
  if (event.method == ModelMethod::close) {
    outputs_.erase(event.model_id);
    return std::erase_if(open_, of_model) > 0;
  }
  const auto* msg_id = state_member(event, "msg_id");
  if (msg_id == nullptr || msg_id->as_string() == nullptr) return false;
  const auto place = [](const Buffer&) { return json::Value(); };
  const auto name = models_.state_at(event.model_id, "_model_name", place);
  if (name.as_string() == nullptr || *name.as_string() != "OutputModel") return false;
  const bool ended = std::erase_if(open_, of_model) > 0;
  if (msg_id->as_string()->empty()) {
    if (ended) outputs_.settle(event.model_id);
    return ended;
  }
  // What it has by now may be the kernel's own doing, or a viewer's: it goes on from there.
  auto whole = outputs_.take_whole(event.model_id);
  outputs_.erase(event.model_id);
  if (const auto held = models_.state_at(event.model_id, "outputs", place); held.is_array()) {
    auto text = std::make_shared<const std::string>(json::write(held));
    // The file goes on for as long as a notice among the outputs names it.
    const bool named = whole && text->find(whole->id()) != std::string::npos;
    outputs_.load(event.model_id, std::move(text));
    if (named) outputs_.give_whole(event.model_id, std::exchange(whole, nullptr));
  }
  if (whole) whole->discard();
  open_.push_back({event.model_id, execution});
  return false;
}

std::string_view Capture::widget(std::uint64_t execution) const {
  for (auto it = open_.rbegin(); it != open_.rend(); ++it) {
    if (it->execution == execution) return it->model_id;
  }
  return {};
}

std::vector<Capture::Changed> Capture::changed() {
  std::vector<Changed> out;
  for (const auto& model_id : outputs_.changed_cells()) {
    (void)outputs_.take_ops(model_id);
    if (!models_.has(model_id)) continue;
    if (auto now = json::parse(outputs_.shown(model_id))) out.push_back({model_id, std::move(*now)});
  }
  return out;
}

void Capture::forget() {
  for (const auto& open : open_) outputs_.erase(open.model_id);
  open_.clear();
}

}  // namespace lectern::runtime
