#include "runtime/model_notes.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.hpp"

namespace lectern::runtime {
namespace {

constexpr std::int64_t soon_ms = 10, pause_ms = 1'000, longest_pause_ms = 60'000;
constexpr std::int64_t bytes_per_ms = 8 << 10;  // no more is written on average
constexpr std::int64_t part_of_the_loop = 100;  // no more of its time is spent on copies

std::int64_t buffer_bytes(const std::vector<ModelNote>& notes) {
  std::int64_t bytes = 0;
  for (const auto& note : notes) {
    for (const auto& buffer : note.event.buffers) bytes += static_cast<std::int64_t>(buffer->size());
  }
  return bytes;
}

std::int64_t pause_after(int failures) {
  return std::min(pause_ms << std::min(failures - 1, 16), longest_pause_ms);
}

}  // namespace

ModelNotes::ModelNotes(Loop& loop, const ModelStore& models)
    : loop_(loop), models_(models), soon_(loop), alive_(std::make_shared<bool>(true)) {}

ModelNotes::~ModelNotes() {
  into(nullptr);
  *alive_ = false;
}

void ModelNotes::into(std::shared_ptr<KeptModelFile> file) {
  if (file == file_) return;
  if (file_) file_->when_written({});
  file_ = std::move(file);
  came_.clear();
  set_.clear();
  makers_.clear();
  soon_.cancel();
  writing_ = tried_all_ = try_all_ = too_many_ = false;
  failures_ = 0;
  pause_until_ms_ = 0;
  all_ = file_ != nullptr;
  if (!file_) return;
  file_->when_written([this, &loop = loop_, alive = alive_] {
    loop.post([this, alive] {
      if (*alive) written();
    });
  });
  arm();
}

void ModelNotes::changed(const ModelEvent& event) {
  if (!file_ || event.method == ModelMethod::custom) return;
  if (event.method == ModelMethod::update) {
    set_.insert(event.model_id);
  } else {
    makers_.erase(event.model_id);
    ModelEvent came;
    came.method = event.method;
    came.model_id = event.model_id;
    came_.push_back(std::move(came));
  }
  arm();
}

void ModelNotes::values_unknown(ModelEvent maker) {
  if (!file_) return;
  if (makers_.size() >= ModelLimits{}.models && !makers_.contains(maker.model_id)) {
    too_many_ = true;
    return;
  }
  ModelEvent came;
  came.method = maker.method = ModelMethod::open;
  came.model_id = maker.model_id;
  came_.push_back(std::move(came));
  makers_.insert_or_assign(maker.model_id, std::move(maker));
  arm();
}

void ModelNotes::forget(const std::string& id) {
  if (!makers_.contains(id)) return;
  ModelEvent gone;
  gone.method = ModelMethod::close;
  gone.model_id = id;
  changed(gone);
}

void ModelNotes::last() {
  if (file_) file_->replace(all());
  into(nullptr);
}

void ModelNotes::none() {
  if (file_) file_->replace({});
  into(nullptr);
}

bool ModelNotes::noted() const {
  return file_ && !writing_ && !all_ && !too_many_ && came_.empty() && file_->state().whole;
}

// What comes and goes is urgent; after a failure nothing is.
void ModelNotes::arm() {
  if (!file_ || writing_) return;
  const bool news = all_ || !came_.empty();
  if (!news && set_.empty() && !try_all_ && file_->state().whole) return;
  auto due = clock::now_ms() + soon_ms;
  if (!news || failures_ > 0) due = std::max(due, pause_until_ms_);
  if (soon_.armed() && due_ms_ <= due) return;
  due_ms_ = due;
  soon_.start(std::chrono::milliseconds(due - clock::now_ms()), [this] { write(); });
}

void ModelNotes::write() {
  if (!file_ || writing_) return;
  const auto state = file_->state();
  const auto now = clock::now_ms();
  const bool paused = now < pause_until_ms_;
  const bool anew = std::exchange(all_, false) || !state.whole || (state.bare && !paused);
  auto notes = anew ? all() : news();
  try_all_ = state.bare && !anew;
  if (anew) {
    came_.clear();
    set_.clear();
  } else if (!paused) {
    for (const auto& id : std::exchange(set_, {})) {
      if (auto open = models_.as_open(id)) notes.push_back({std::move(*open), true});
    }
  }
  if (!paused || anew) {
    const auto took = clock::now_ms() - now;
    pause_until_ms_ = now + std::max({pause_ms, buffer_bytes(notes) / bytes_per_ms, took * part_of_the_loop});
  }
  if (notes.empty() && !anew) return arm();
  writing_ = true;
  tried_all_ = anew;
  anew ? file_->replace(std::move(notes)) : file_->add(std::move(notes));
}

void ModelNotes::written() {
  if (!file_ || !writing_) return;
  const auto state = file_->state();
  if (state.busy) return;
  writing_ = false;
  failures_ = state.failed ? failures_ + 1 : 0;
  const auto now = clock::now_ms();
  if (failures_ > 0) pause_until_ms_ = std::max(pause_until_ms_, now + pause_after(failures_));
  if (state.bare && std::exchange(tried_all_, false)) {
    pause_until_ms_ = std::max(pause_until_ms_, now + longest_pause_ms);
  }
  arm();
  if (noted() && when_noted_) when_noted_();
}

std::vector<ModelNote> ModelNotes::news() {
  std::vector<ModelNote> out;
  for (auto& event : std::exchange(came_, {})) {
    if (event.method == ModelMethod::close) {
      out.push_back({std::move(event)});
    } else if (auto open = models_.as_open(event.model_id)) {
      set_.erase(event.model_id);
      out.push_back({std::move(*open)});
    } else if (const auto made = makers_.find(event.model_id); made != makers_.end()) {
      out.push_back({made->second, false, true});
    }
  }
  return out;
}

std::vector<ModelNote> ModelNotes::all() const {
  std::vector<ModelNote> out;
  for (const auto& [id, maker] : makers_) out.push_back({maker, false, true});
  for (auto& event : models_.snapshot()) out.push_back({std::move(event)});
  return out;
}

}  // namespace lectern::runtime
