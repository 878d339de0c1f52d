#include "runtime/kept_model_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/write_all.hpp"
#include "runtime/kept_files.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t anew_past = std::size_t{4} << 20;

/// 0, or the errno.
int append(const fs::path& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  const int problem = write_all(fd, text);
  ::close(fd);
  return problem;
}

}  // namespace

KeptModelFile::KeptModelFile(fs::path path, std::function<void(Task)> submit)
    : path_(std::move(path)), submit_(std::move(submit)) {}

void KeptModelFile::add(std::vector<ModelNote> notes) {
  if (!notes.empty()) take(std::move(notes), false);
}

void KeptModelFile::replace(std::vector<ModelNote> notes) {
  take(std::move(notes), true);
}

void KeptModelFile::take(std::vector<ModelNote> notes, bool anew) {
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return;
    if (anew) pending_.clear();
    anew_ = anew_ || anew;
    std::move(notes.begin(), notes.end(), std::back_inserter(pending_));
    if (std::exchange(state_.busy, true)) return;  // whoever writes the ones before finds these
  }
  submit_([self = shared_from_this()] { self->write(); });
}

KeptModelFile::State KeptModelFile::state() const {
  const std::scoped_lock lock(mutex_);
  return state_;
}

void KeptModelFile::when_written(std::function<void()> what) {
  const std::scoped_lock lock(mutex_);
  when_written_ = std::move(what);
}

void KeptModelFile::end() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    pending_.clear();
    when_written_ = nullptr;
  }
  const std::scoped_lock writing(writing_);
}

void KeptModelFile::write() {
  const std::scoped_lock writing(writing_);
  for (;;) {
    std::vector<ModelNote> notes;
    bool anew = false;
    {
      const std::scoped_lock lock(mutex_);
      if (ended_ || (pending_.empty() && !anew_)) {
        state_.busy = false;
        if (when_written_) when_written_();
        return;
      }
      notes.swap(pending_);
      anew = std::exchange(anew_, false);
      if (!anew && !state_.whole) continue;
    }
    anew ? write_anew(notes) : write_behind(notes);
  }
}

void KeptModelFile::write_anew(const std::vector<ModelNote>& notes) {
  auto text = kept_models_text(notes, most_kept_models_bytes);
  const bool bare = !text;
  if (bare) text = kept_makers_text(notes);
  if (bare && !state().bare) {
    log::warning("runtime",
                 "widgets past 64 MiB are not written down: the next host knows their cells, and asks the "
                 "kernel for their values");
  }
  const int problem = write_whole(path_, *text);
  tried(problem);
  anew_bytes_ = text->size();
  is({.whole = problem == 0, .bare = bare, .failed = problem != 0}, text->size());
}

// The file never gets longer than what reads it takes.
void KeptModelFile::write_behind(const std::vector<ModelNote>& notes) {
  const bool bare = state().bare;
  const auto most = std::min(most_kept_models_bytes, most_noted_models_bytes - bytes_);
  const auto text = bare ? kept_makers_text(notes) : kept_models_text(notes, most);
  if (!text || text->size() > most) return is({.bare = bare}, bytes_);
  const int problem = append(path_, *text);
  tried(problem);
  const auto bytes = bytes_ + text->size();
  const bool whole = problem == 0 && bytes < 2 * anew_bytes_ + anew_past;
  is({.whole = whole, .bare = bare, .failed = problem != 0}, bytes);
}

void KeptModelFile::is(State state, std::size_t bytes) {
  bytes_ = bytes;
  const std::scoped_lock lock(mutex_);
  state.busy = state_.busy;
  state_ = state;
}

// Said once, however often it is tried: a full disk stays full for long.
void KeptModelFile::tried(int problem) {
  if ((problem != 0) == complained_) return;
  complained_ = problem != 0;
  if (!complained_) return log::warning("runtime", path_.string() + " can be written again");
  log::warning("runtime", "cannot write " + path_.string() + ": " + std::strerror(problem) +
                              "; it is tried again. Until then a next host asks the kernel for its widgets, and does "
                              "not know the cells of the newest");
}

}  // namespace lectern::runtime
