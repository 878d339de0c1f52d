// What Directory holds: the sessions, who waits for one to open, and which paths somebody has to himself just now. Its
// functions by what they are for: directory_state.cpp (which sessions there are), opening.cpp (from a path to a
// session), creating.cpp (new sessions), claims.cpp (paths). For these files and directory.cpp only.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "document/path_policy.hpp"
#include "session/directory.hpp"
#include "session/host_policy.hpp"
#include "session/live_session.hpp"
#include "session/preparing.hpp"
#include "session/referee.hpp"
#include "session/watch.hpp"

namespace lectern::session {

/// 503 `draining`.
Error draining();

// Guarded by a mutex, not by a loop of its own: what is looked up here is asked from HTTP threads, reactors and workers
// alike, and nothing is done while it is held. Everything [any] where nothing else is said.
struct Directory::State : std::enable_shared_from_this<State> {
  State(Services services, Settings settings, std::vector<Loop*> reactors);

  struct Slot {
    std::shared_ptr<LiveSession> session;
    SessionSummary summary;
    std::string path;
    std::uint64_t order = 0;
    bool ending = false;
    bool shown = false;  // it has begun, and its first summary has come
  };
  struct Asker {
    Reply<SessionPtr> reply;
    OpenHow how;
  };
  struct Opening {
    std::vector<Asker> askers;
  };
  struct FolderMove {
    std::string from, to;
    [[nodiscard]] bool holds(const std::string& path) const;
    [[nodiscard]] bool meets(const FolderMove& other) const;
  };
  using Claim = std::shared_ptr<void>;

  const Services services;
  const Settings settings;
  const std::vector<Loop*> reactors;
  const std::shared_ptr<Referee> referee;
  const std::shared_ptr<FileWatch> files;
  mutable std::mutex mutex;
  std::condition_variable fewer;
  std::map<std::string, Slot, std::less<>> slots;
  std::map<std::string, Opening> openings;              // by path: one open for all who want it
  std::map<std::string, std::vector<Asker>> after_end;  // by path: waiting for the old one to end, or for a claim
  std::set<std::string> claimed;                        // paths that somebody writes a file to, or makes a notebook at
  std::vector<FolderMove> folder_moves;                 // of folders that get another name just now
  std::shared_ptr<HostPolicy> policy;                   // shared: sessions answer it from their reactors
  std::function<void()> changed;
  Counters ended_counters;
  std::uint64_t next = 0;
  std::size_t alive = 0;  // LiveSession objects and tokens
  bool drain = false;

  // Which sessions there are.
  Home home();
  void summarize(const SessionSummary& row);
  void forget(const std::string& id, const Counters& counted);
  void tell_changed();
  [[nodiscard]] std::shared_ptr<LiveSession> find(std::string_view id) const;
  [[nodiscard]] std::vector<SessionPtr> all() const;
  [[nodiscard]] std::vector<SessionPtr> begun() const;
  [[nodiscard]] std::vector<SessionPtr> sessions_if(bool (*wanted)(const Slot&)) const;
  /// Held by work on other threads that will post to a reactor; ~Directory waits until all are gone.
  std::shared_ptr<void> token();
  void one_less();

  // Opening.
  void open(std::string path, Asker asker);
  void open_on_worker(const std::string& path, Asker asker);  ///< [worker]
  void open_waiting(const std::string& path);
  void answer_openings(const std::string& path, const Result<SessionPtr>& result);
  void try_again(const std::string& id);
  [[nodiscard]] std::optional<document::ResolvedPath> found_since_crash(const std::string& path) const;  ///< [worker]

  // New sessions.
  void create(CreateRequest request, Reply<SessionPtr> reply);
  /// `created` is set for a new notebook: it is answered when its file is there. Until then the path is claimed, and
  /// who opens it waits.
  void begin(const std::string& path, Result<Prepared> prepared, Reply<SessionPtr> created);
  /// [reactor] of the session.
  static void finish_creation(const std::shared_ptr<LiveSession>& session, Claim claim, Reply<SessionPtr> created);
  std::shared_ptr<LiveSession> make_session(std::string id);
  /// [worker] Prepares with the host's policy, and notes which that was.
  template <class Prepare>
  Result<Prepared> prepare(Prepare with) const {
    const auto now = policy->now();
    Result<Prepared> prepared = with(now.choice);
    if (prepared) prepared->policy_round = now.round;
    return prepared;
  }

  // Paths that somebody has to himself.
  Result<Claim> claim(const std::string& path);
  void unclaim(const std::string& path);
  Hold hold();
  bool move(const std::string& id, const std::string& path, bool by_claim);
  void rename_folder(FolderMove move, Reply<bool> reply);
  void folder_moved(const FolderMove& move);
  /// With the mutex held.
  [[nodiscard]] bool in_move(const std::string& path) const;
  [[nodiscard]] Result<std::vector<std::shared_ptr<LiveSession>>> sessions_to_go_along(const FolderMove& move) const;
};

}  // namespace lectern::session
