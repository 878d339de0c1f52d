#include "runtime/kept_model_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "base/write_all.hpp"
#include "runtime/kept_files.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t anew_past = std::size_t{4} << 20;

void cannot_write(const fs::path& path, int problem) {
  log::warning("runtime", "cannot write " + path.string() + ": " + std::strerror(problem) +
                              "; the next host asks the kernel for its widgets, and does not know their cells");
}

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
    if (std::exchange(busy_, true)) return;  // whoever writes the ones before finds these
  }
  submit_([self = shared_from_this()] { self->write(); });
}

bool KeptModelFile::busy() const {
  const std::scoped_lock lock(mutex_);
  return busy_;
}

bool KeptModelFile::wants_all() const {
  const std::scoped_lock lock(mutex_);
  return !whole_;
}

bool KeptModelFile::too_large() const {
  const std::scoped_lock lock(mutex_);
  return too_large_;
}

void KeptModelFile::end() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    pending_.clear();
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
        busy_ = false;
        return;
      }
      notes.swap(pending_);
      anew = std::exchange(anew_, false);
      if (!anew && !whole_) continue;
    }
    anew ? write_anew(notes) : write_behind(notes);
  }
}

void KeptModelFile::write_anew(const std::vector<ModelNote>& notes) {
  const auto text = kept_models_text(notes, most_kept_models_bytes);
  std::error_code ignored;
  if (!text || text->empty()) {
    fs::remove(path_, ignored);
    if (!text && !too_large()) {
      log::warning("runtime", "widgets past 64 MiB are not written down: the next host asks the kernel for them");
    }
    return is(text.has_value(), !text, 0);
  }
  const int problem = write_whole(path_, *text);
  if (problem != 0) cannot_write(path_, problem);
  anew_bytes_ = text->size();
  is(problem == 0, false, text->size());
}

// The file never gets longer than what reads it takes.
void KeptModelFile::write_behind(const std::vector<ModelNote>& notes) {
  const auto text = kept_models_text(notes, std::min(most_kept_models_bytes, most_noted_models_bytes - bytes_));
  if (!text) return is(false, false, bytes_);
  const int problem = append(path_, *text);
  if (problem != 0) cannot_write(path_, problem);
  const auto bytes = bytes_ + text->size();
  is(problem == 0 && bytes < 2 * anew_bytes_ + anew_past, false, bytes);
}

void KeptModelFile::is(bool whole, bool too_large, std::size_t bytes) {
  bytes_ = bytes;
  if (bytes == 0) anew_bytes_ = 0;
  const std::scoped_lock lock(mutex_);
  whole_ = whole;
  too_large_ = too_large;
}

}  // namespace lectern::runtime
