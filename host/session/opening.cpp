// Directory::State: from a path to the session of the notebook there, one for all who open it at a time.
#include <filesystem>
#include <utility>

#include "base/workers.hpp"
#include "session/directory_state.hpp"

namespace lectern::session {
namespace {

Error no_file(const std::string& relative) {
  return {404, "not_found", "there is no file " + relative, "look at GET /api/v1/files, or create it", ""};
}

}  // namespace

void Directory::State::open(std::string path, Asker asker) {
  services.workers->submit([self = shared_from_this(), token = token(), path = std::move(path),
                            asker = std::move(asker)]() mutable { self->open_on_worker(path, std::move(asker)); });
}

void Directory::State::open_on_worker(const std::string& path, Asker asker) {
  auto where = services.paths->resolve(path);
  if (!where || where->kind == document::PathKind::missing) {
    if (auto since = found_since_crash(path)) where = std::move(*since);
  }
  if (!where) return asker.reply(fail(where.error()));
  if (where->kind == document::PathKind::folder && asker.how.create) {
    auto prepared = prepare(
        [&](const PolicyChoice& choice) { return prepare_untitled(services, settings, choice, where->path, hold()); });
    const auto made = prepared ? prepared->notebook.path : std::string();
    return begin(made, std::move(prepared), std::move(asker.reply));
  }
  SessionPtr found;
  const auto how = asker.how;
  const bool may_begin = how.create || where->kind != document::PathKind::missing;
  {
    const std::scoped_lock lock(mutex);
    if (drain) return asker.reply(fail(draining()));
    if (claimed.contains(where->path) || in_move(where->path)) {
      after_end[where->path].push_back(std::move(asker));
      return;
    }
    for (auto& [id, slot] : slots) {
      if (slot.path != where->path) continue;
      if (slot.ending) {
        after_end[where->path].push_back(std::move(asker));
        return;
      }
      // One that its reactor has not begun knows nothing of its notebook yet: who opens it waits with its opener.
      if (slot.shown) found = slot.session;
    }
    const bool first = !openings.contains(where->path);
    if (!found && (may_begin || !first)) {
      openings[where->path].askers.push_back(std::move(asker));
      if (!first) return;
    }
  }
  // Moved away above only when nothing was found, and something may begin.
  if (found) return asker.reply(std::move(found));                     // NOLINT(bugprone-use-after-move)
  if (!may_begin) return asker.reply(fail(no_file(where->relative)));  // NOLINT(bugprone-use-after-move)
  auto prepared =
      prepare([&](const PolicyChoice& choice) { return prepare_open(services, settings, choice, *where, how.watch); });
  begin(where->path, std::move(prepared), {});
}

std::optional<document::ResolvedPath> Directory::State::found_since_crash(const std::string& path) const {
  const auto whole = (std::filesystem::path(services.paths->root()) / path).lexically_normal().string();
  const auto now = services.store->place_since_crash(whole);
  if (now.empty()) return std::nullopt;
  auto where = services.paths->resolve(now);
  if (!where || where->kind != document::PathKind::file) return std::nullopt;
  return std::move(*where);
}

void Directory::State::open_waiting(const std::string& path) {
  std::vector<Asker> again;
  {
    const std::scoped_lock lock(mutex);
    const auto waiting = after_end.find(path);
    if (waiting == after_end.end()) return;
    again = std::move(waiting->second);
    after_end.erase(waiting);
  }
  for (auto& asker : again) open(path, std::move(asker));
}

void Directory::State::answer_openings(const std::string& path, const Result<SessionPtr>& result) {
  std::vector<Asker> askers;
  {
    const std::scoped_lock lock(mutex);
    if (const auto it = openings.find(path); it != openings.end()) {
      askers = std::move(it->second.askers);
      openings.erase(it);
    }
  }
  const bool taken = !result && result.error().code == "open_elsewhere";
  const bool asked_to_watch = !askers.empty() && askers.front().how.watch;
  for (auto& asker : askers) {
    // Who would watch waited for somebody who would not.
    taken&& asker.how.watch && !asked_to_watch ? open(path, std::move(asker)) : asker.reply(result);
  }
}

// The notebook is opened beside the session that only reads it, which has no locks, and then takes its place.
void Directory::State::try_again(const std::string& id) {
  services.workers->submit([self = shared_from_this(), token = token(), id] {
    std::string path;
    {
      const std::scoped_lock lock(self->mutex);
      const auto it = self->slots.find(id);
      if (it == self->slots.end() || it->second.ending || self->drain) return;
      path = it->second.path;
      if (self->in_move(path) || !self->openings.try_emplace(path).second) return;
    }
    const auto where = self->services.paths->resolve(path);
    auto prepared = where ? self->prepare([&](const PolicyChoice& choice) {
      return prepare_open(self->services, self->settings, choice, *where, false);
    })
                          : fail(where.error());
    const auto session = self->find(id);
    if (!prepared || prepared->notebook.unwritable || !session) {
      return self->answer_openings(path, fail(prepared ? draining() : prepared.error()));
    }
    session->end("SHUTDOWN", [self, path, again = std::move(prepared)](Result<bool>) mutable {
      self->begin(path, std::move(again), {});
    });
  });
}

}  // namespace lectern::session
