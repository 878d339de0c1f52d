#include "runtime/model_writes.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace lectern::runtime {
namespace {

constexpr std::chrono::milliseconds pause_length{5};

}  // namespace

ModelWrites::ModelWrites(Loop& loop, Tell tell) : tell_(std::move(tell)), pause_(loop) {}

void ModelWrites::take(ClientWrite write, Done done) {
  std::vector<Done> waiting;
  if (done) waiting.push_back(std::move(done));
  if (write.event.method != ModelMethod::update) {
    flush();
    return tell(std::move(write), std::move(waiting));
  }
  const auto id = write.event.model_id;
  const auto [it, first] = recent_.try_emplace(id);
  if (first) {
    if (!pause_.armed()) pause_.start(pause_length, [this] { pause_over(); });
    return tell(std::move(write), std::move(waiting));
  }
  // An event names one writer, who does not get it.
  if (it->second && it->second->write.event.origin != write.event.origin) flush(id);
  auto& held = recent_[id];
  if (held) {
    join(held->write, std::move(write));
    std::move(waiting.begin(), waiting.end(), std::back_inserter(held->done));
  } else {
    held = Held{std::move(write), std::move(waiting)};
    order_.push_back(id);
  }
}

void ModelWrites::tell(ClientWrite write, std::vector<Done> done) {
  const auto told = tell_(std::move(write));
  for (auto& one : done) one(told);
}

void ModelWrites::tell_held(const std::string& model_id) {
  const auto it = recent_.find(model_id);
  if (it == recent_.end() || !it->second) return;
  auto held = std::exchange(it->second, std::nullopt);
  tell(std::move(held->write), std::move(held->done));
}

void ModelWrites::flush(std::string_view model_id) {
  const auto it = std::find(order_.begin(), order_.end(), model_id);
  if (it == order_.end()) return;
  const auto id = *it;
  order_.erase(it);
  tell_held(id);
}

void ModelWrites::flush() {
  for (const auto& id : std::exchange(order_, {})) tell_held(id);
}

void ModelWrites::pause_over() {
  const auto held = order_;
  std::erase_if(recent_, [](const auto& entry) { return !entry.second; });
  flush();
  if (!held.empty() && !pause_.armed()) pause_.start(pause_length, [this] { pause_over(); });
}

void ModelWrites::forget(const Error& why) {
  const auto order = std::exchange(order_, {});
  auto recent = std::exchange(recent_, {});
  for (const auto& id : order) {
    for (auto& one : recent[id]->done) one(fail(why));
  }
}

}  // namespace lectern::runtime
