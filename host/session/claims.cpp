// Directory::State: paths that somebody has to himself, to write there or to give a file or folder another name.
#include <algorithm>
#include <utility>

#include "document/system_file.hpp"
#include "session/directory_state.hpp"
#include "session/folder_renaming.hpp"

namespace lectern::session {

bool Directory::State::FolderMove::holds(const std::string& path) const {
  return document::is_at_or_below(path, from) || document::is_at_or_below(path, to);
}

bool Directory::State::FolderMove::meets(const FolderMove& other) const {
  return holds(other.from) || holds(other.to) || other.holds(from) || other.holds(to);
}

Result<Directory::State::Claim> Directory::State::claim(const std::string& path) {
  const std::scoped_lock lock(mutex);
  for (const auto& [id, slot] : slots) {
    if (slot.path != path) continue;
    std::string details;
    json::Writer(details).begin_object().member("session_id", id).end_object();
    return fail(409, "path_open", path + " is open in this host", "save it there, or choose another name",
                std::move(details));
  }
  if (openings.contains(path) || in_move(path) || !claimed.insert(path).second) {
    return fail(409, "path_open", path + " is being opened or written by somebody else just now",
                "try again in a moment, or choose another name");
  }
  return Claim(nullptr, [self = shared_from_this(), path](void*) { self->unclaim(path); });
}

void Directory::State::unclaim(const std::string& path) {
  {
    const std::scoped_lock lock(mutex);
    claimed.erase(path);
  }
  open_waiting(path);
}

Hold Directory::State::hold() {
  return [self = shared_from_this()](const std::string& path) { return self->claim(path); };
}

bool Directory::State::move(const std::string& id, const std::string& path, bool by_claim) {
  std::string left;
  {
    const std::scoped_lock lock(mutex);
    const auto it = slots.find(id);
    if (it == slots.end() || openings.contains(path)) return false;
    if (!by_claim && (claimed.contains(path) || in_move(path))) return false;
    for (const auto& [other, slot] : slots) {
      if (slot.path == path) return false;
    }
    left = std::exchange(it->second.path, path);
  }
  open_waiting(left);  // who waited for it to end would wait for a session that ends elsewhere
  return true;
}

void Directory::State::rename_folder(FolderMove move, Reply<bool> reply) {
  FolderRenaming what{move.from, move.to, {}, {}, services.store, services.workers};
  const auto begin = [&]() -> Status {
    const std::scoped_lock lock(mutex);
    LECTERN_TRY(what.sessions, sessions_to_go_along(move));
    folder_moves.push_back(move);
    return {};
  };
  if (auto begun = begin(); !begun) return reply(fail(std::move(begun).error()));
  what.hold = {nullptr, [self = shared_from_this(), token = token(), move = std::move(move)](void*) {
                 self->folder_moved(move);
               }};
  session::rename_folder(std::move(what), std::move(reply));
}

Result<std::vector<std::shared_ptr<LiveSession>>> Directory::State::sessions_to_go_along(const FolderMove& move) const {
  if (drain) return fail(draining());
  const auto busy = [](const std::string& path) {
    return fail(409, "busy", path + " is being opened, written or renamed just now", "try again in a moment");
  };
  for (const auto& other : folder_moves) {
    if (move.meets(other)) return busy(other.from);
  }
  for (const auto& path : claimed) {
    if (move.holds(path)) return busy(path);
  }
  for (const auto& [path, opening] : openings) {
    if (move.holds(path)) return busy(path);
  }
  std::vector<std::shared_ptr<LiveSession>> found;
  for (const auto& [id, slot] : slots) {
    if (document::is_at_or_below(slot.path, move.to)) {
      return fail(409, "path_open", slot.path + " is open here, and its file is gone",
                  "end its session first, or choose another name");
    }
    if (!document::is_at_or_below(slot.path, move.from)) continue;
    if (!slot.shown) return busy(slot.path);
    found.push_back(slot.session);
  }
  return found;
}

void Directory::State::folder_moved(const FolderMove& move) {
  std::vector<std::string> waiting;
  {
    const std::scoped_lock lock(mutex);
    std::erase_if(folder_moves, [&](const auto& one) { return one.from == move.from && one.to == move.to; });
    for (const auto& [path, askers] : after_end) {
      if (move.holds(path)) waiting.push_back(path);
    }
  }
  for (const auto& path : waiting) open_waiting(path);
}

bool Directory::State::in_move(const std::string& path) const {
  return std::any_of(folder_moves.begin(), folder_moves.end(), [&](const auto& move) { return move.holds(path); });
}

}  // namespace lectern::session
