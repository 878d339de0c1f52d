// Presence of this host: publishes its sessions through every presence plugin and keeps the list of others'. The face
// of this folder. One thread per backend makes the calls that may block; nobody else ever waits for a backend.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "presence/publisher.hpp"
#include "presence/roster.hpp"

namespace lectern::plugin {
class Registry;
class PresenceBackend;
}  // namespace lectern::plugin

namespace lectern::presence {

struct ServiceOptions {
  std::string device_id, device_name, machine;
  std::int64_t poll_ms = 2'000;  // how often a backend is read
  std::string boot = {};         // boot_hash()
};

struct BackendReport {
  std::string id;
  bool ok = true;
  std::string problem;             // what is wrong, when not ok: the last good list stays, and ages
  std::int64_t last_good_ms = -1;  // monotonic; -1 = never
};

class Service {
 public:
  explicit Service(ServiceOptions options);
  /// [control] Publishes `ended` to every backend and joins: as long as the slowest backend takes for its last call.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// [control] Before start().
  void add_backend(std::shared_ptr<plugin::PresenceBackend> backend);
  /// [control] Before start(). One that was asked for and could not be opened: it is told of, and does nothing.
  void add_unavailable(std::string id, std::string problem);
  /// [control] Without backends nothing runs and the list stays empty.
  void start();

  /// [any] What we publish. Cheap: the backend's thread picks it up.
  void set_sessions(std::vector<SessionEntry> sessions);
  void set_endpoints(std::vector<Endpoint> endpoints);
  void set_draining();
  /// [any] Sessions that are attached here from elsewhere: not published, and not listed as remote.
  void set_attached(std::vector<LocalSession> attached);

  /// [any] Rows of protocol 6, newest first.
  [[nodiscard]] std::vector<RemoteSession> remote_sessions() const;
  /// [any] 404 `remote_session_not_found`.
  [[nodiscard]] Result<RemoteSession> find(std::string_view session_id) const;
  /// [any] Where a device is reached, with or without sessions: a row without a session. 404 `remote_device_not_found`.
  [[nodiscard]] Result<RemoteSession> host_of(std::string_view device_id) const;
  /// [any] Body of GET /api/v1/presence:
  /// {"sessions":[…],"devices":[…],"backends":[…],"rejected":[…],"clashes":[…],"revision":n}.
  [[nodiscard]] std::string json() const;
  [[nodiscard]] std::vector<BackendReport> backends() const;

  /// [control] Before start(). Called from a backend's thread, without locks, when the rows changed.
  void on_changed(std::function<void()> callback);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lectern::presence
