#include "runtime/model_notes.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.hpp"

namespace lectern::runtime {
namespace {

constexpr std::int64_t soon_ms = 10, pause_ms = 1'000, too_large_pause_ms = 60'000;
constexpr std::int64_t bytes_per_ms = 8 << 10;  // no more is written on average
constexpr std::int64_t part_of_the_loop = 100;  // no more of its time is spent on copies

std::int64_t buffer_bytes(const std::vector<ModelNote>& notes) {
  std::int64_t bytes = 0;
  for (const auto& note : notes) {
    for (const auto& buffer : note.event.buffers) bytes += static_cast<std::int64_t>(buffer->size());
  }
  return bytes;
}

}  // namespace

void ModelNotes::into(std::shared_ptr<KeptModelFile> file) {
  if (file == file_) return;
  file_ = std::move(file);
  came_.clear();
  set_.clear();
  all_ = file_ != nullptr;
  all_ ? arm() : soon_.cancel();
}

void ModelNotes::changed(const ModelEvent& event) {
  if (!file_ || event.method == ModelMethod::custom) return;
  if (event.method == ModelMethod::update) {
    set_.insert(event.model_id);
  } else {
    ModelEvent came;
    came.method = event.method;
    came.model_id = event.model_id;
    came_.push_back(std::move(came));
  }
  arm();
}

void ModelNotes::last() {
  if (file_) file_->replace(all());
  into(nullptr);
}

void ModelNotes::none() {
  if (file_) file_->replace({});
  into(nullptr);
}

void ModelNotes::arm() {
  const bool urgent = !came_.empty() || all_;
  const auto paused = pause_until_ms_ - clock::now_ms();
  if (soon_.armed()) {
    if (!urgent) return;
    soon_.cancel();
  }
  const auto wait = urgent ? soon_ms : std::max(soon_ms, paused);
  soon_.start(std::chrono::milliseconds(wait), [this] { write(); });
}

void ModelNotes::write() {
  if (!file_) return;
  const auto now = clock::now_ms();
  const bool pause = now < pause_until_ms_;
  if (file_->too_large() && pause) {  // all of them, then
    came_.clear();
    return soon_.start(std::chrono::milliseconds(pause_until_ms_ - now), [this] { write(); });
  }
  if (file_->busy()) return soon_.start(std::chrono::milliseconds(soon_ms), [this] { write(); });
  std::vector<ModelNote> notes;
  const bool anew = std::exchange(all_, false) || file_->wants_all();
  if (anew) {
    notes = all();
    came_.clear();
    set_.clear();
  }
  for (auto& event : std::exchange(came_, {})) {
    if (event.method == ModelMethod::close) {
      notes.push_back({std::move(event)});
    } else if (auto open = models_.as_open(event.model_id)) {
      set_.erase(event.model_id);
      notes.push_back({std::move(*open)});
    }
  }
  if (anew || !pause) {
    for (const auto& id : std::exchange(set_, {})) {
      if (auto open = models_.as_open(id)) notes.push_back({std::move(*open), true});
    }
    const auto took = clock::now_ms() - now;
    pause_until_ms_ = now + std::max({pause_ms, buffer_bytes(notes) / bytes_per_ms, took * part_of_the_loop});
    if (anew && file_->too_large()) pause_until_ms_ = now + too_large_pause_ms;
  }
  anew ? file_->replace(std::move(notes)) : file_->add(std::move(notes));
  if (!set_.empty()) arm();
}

std::vector<ModelNote> ModelNotes::all() const {
  std::vector<ModelNote> out;
  for (auto& event : models_.snapshot()) out.push_back({std::move(event)});
  return out;
}

}  // namespace lectern::runtime
