// What a running host is made of. Private to host.cpp and the files that build one of its parts.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/device_watch.hpp"
#include "api/router.hpp"
#include "api/token_clock.hpp"
#include "app/host.hpp"
#include "app/plugin_watch.hpp"
#include "app/running.hpp"
#include "attach/attachments.hpp"
#include "base/loop.hpp"
#include "base/workers.hpp"
#include "document/journal.hpp"
#include "document/notebook_store.hpp"
#include "document/path_policy.hpp"
#include "net/front_door.hpp"
#include "plugin/registry.hpp"
#include "plugin/transport.hpp"
#include "presence/credentials.hpp"
#include "presence/service.hpp"
#include "runtime/service.hpp"
#include "session/directory.hpp"

namespace lectern::app {

// In the order they are made; they go in the opposite order.
struct Host::Parts {
  ServeOptions options;
  std::string url, token;
  std::mutex reachable_mutex;
  std::vector<std::string> reachable;  // "192.168.1.4:8899"
  std::uint16_t port = 0;
  std::unique_ptr<plugin::Registry> registry;
  std::unique_ptr<document::PathPolicy> paths;
  std::unique_ptr<document::JournalWriter> journals;
  std::unique_ptr<document::NotebookStore> store;
  std::unique_ptr<Workers> workers;
  std::vector<std::unique_ptr<Loop>> loops;
  std::vector<plugin::TransportPtr> transports;
  std::unique_ptr<runtime::Service> runtime;
  std::unique_ptr<presence::Service> presence;
  Error presence_missing;  // why there is none
  std::unique_ptr<api::HostEvents> host_events;
  api::Metrics metrics;
  std::unique_ptr<Timer> sessions_timer;  // of the first loop; used on it only
  std::atomic<bool> sessions_pending{false};
  std::unique_ptr<Timer> rest_timer;  // as sessions_timer
  std::size_t sessions_open = 0;      // likewise
  std::unique_ptr<session::Directory> directory;
  std::unique_ptr<api::Tokens> tokens;
  std::unique_ptr<api::TokenClock> token_clock;
  std::unique_ptr<presence::DeviceCredentials> devices;
  std::unique_ptr<attach::Attachments> attachments;
  std::unique_ptr<api::DeviceWatch> device_watch;
  std::unique_ptr<api::Router> router;
  std::unique_ptr<net::FrontDoor> door;
  api::Parts shared_parts;  // as the router has them
  std::unique_ptr<PluginWatch> plugin_watch;
  RunningEntry running;
  bool down = false;

  Status build();
  Status build_storage();
  [[nodiscard]] Status check_policy() const;
  [[nodiscard]] Status check_policy_config() const;
  Status build_runtime();
  Status build_presence();
  bool add_presence_local(presence::Service& service);
  Status watch_plugins();
  void reload_outdated();
  void build_sessions(const std::string& device_name);
  void take_up_kernels();
  void take_up(const runtime::KeptKernel& kernel);
  void end_principal(const std::string& principal);
  void build_attachments(const std::string& device_name);
  Status listen(const std::string& device_name);
  api::Parts api_parts(const std::string& device_name);
  void publish_endpoints(const std::string& address);
  void sessions_changed();
  void publish_sessions();
  void rest_after_opening();
  std::vector<api::Metrics::Figure> figures() const;
  Status announce();
  void end_sessions();
  void finish_work();
  void stop_publishing();
};

}  // namespace lectern::app
