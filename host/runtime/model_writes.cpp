#include "runtime/model_writes.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.hpp"

namespace lectern::runtime {
namespace {

constexpr std::chrono::milliseconds pause_length{5};

}  // namespace

ModelWrites::ModelWrites(Loop& loop, Tell tell) : tell_(std::move(tell)), pause_(loop) {}

Status ModelWrites::take(ClientWrite write) {
  if (write.event.method != ModelMethod::update) {
    flush();
    return tell_(std::move(write));
  }
  const auto id = write.event.model_id;
  const auto [it, first] = recent_.try_emplace(id);
  if (first) {
    if (!pause_.armed()) pause_.start(pause_length, [this] { pause_over(); });
    return tell_(std::move(write));
  }
  // An event names one writer, who does not get it.
  if (it->second && it->second->event.origin != write.event.origin) flush(id);
  auto& held = recent_[id];
  if (held) {
    join(*held, std::move(write));
  } else {
    held = std::move(write);
    order_.push_back(id);
  }
  return {};
}

void ModelWrites::tell_held(const std::string& model_id) {
  const auto it = recent_.find(model_id);
  if (it == recent_.end() || !it->second) return;
  auto write = std::exchange(it->second, std::nullopt);
  if (const auto told = tell_(std::move(*write)); !told) {
    log::warning("runtime", "the kernel was not told what a client wrote to a model: " + told.error().message);
  }
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

void ModelWrites::forget() {
  recent_.clear();
  order_.clear();
}

}  // namespace lectern::runtime
