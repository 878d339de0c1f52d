#include "app/host.hpp"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "api/reload.hpp"
#include "app/addresses.hpp"
#include "app/host_parts.hpp"
#include "app/own_device.hpp"
#include "app/paths.hpp"
#include "app/peer_access.hpp"
#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "presence/mesh_name.hpp"
#include "runtime/hub.hpp"

namespace lectern::app {
namespace {

constexpr std::size_t most_reactors = 8;
constexpr std::chrono::seconds time_to_save{20};
constexpr std::chrono::seconds time_to_rest{2};

std::size_t cores() {
  return std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

std::size_t worker_threads() {
  return std::max<std::size_t>(4, cores());
}

std::string gateway_settings(const ServeOptions& options) {
  std::string out;
  json::Writer writer(out);
  const auto list = [&](std::string_view key, const std::vector<std::string>& texts) {
    writer.key(key).begin_array();
    for (const auto& text : texts) writer.string(text);
    writer.end_array();
  };
  writer.begin_object();
  list("urls", options.gateways);
  list("token_files", options.gateway_token_files);
  if (!options.gateway_ca_file.empty()) writer.member("ca_file", std::string_view(options.gateway_ca_file));
  writer.member("request_timeout_ms", options.gateway_timeout_ms);
  writer.member("insecure_plaintext", options.gateway_insecure_plaintext).end_object();
  return out;
}

plugin::RegistryOptions registry_options(const ServeOptions& options) {
  plugin::RegistryOptions out;
  out.search = plugin_search(options.plugin_path);
  out.staging = options.state_dir;
  out.trust = trust_lists();
  out.isolate = options.isolate;
  out.plugin_host = isolation::plugin_host_program();
  out.limits.memory_bytes = options.isolated_memory_mb << 20;
  out.services.checks = *plugin::check_level_from(options.plugin_checks);
  out.services.lowest_level = options.verbose ? log::Level::debug : log::Level::warning;
  return out;
}

// What a plugin would do is missing without it; everything else goes on.
std::vector<plugin::TransportPtr> load_transports(plugin::Registry& registry) {
  std::vector<plugin::TransportPtr> out;
  for (const auto& id : registry.ids(plugin::Kind::transport)) {
    auto generation = registry.load(plugin::Kind::transport, id);
    auto transport = generation ? plugin::Transport::create(*generation, "{}") : fail(generation.error());
    if (transport) {
      out.push_back(std::move(*transport));
    } else {
      log::warning("plugins", "'" + id + "' is left out: " + transport.error().message);
    }
  }
  // The first to serve a name has it: nobody untrusted takes one away from those who may be here, and with it their
  // clients' words.
  std::stable_partition(out.begin(), out.end(), [](const auto& one) { return !one->waits(); });
  return out;
}

}  // namespace

Status Host::Parts::build_storage() {
  if (options.state_dir.empty()) options.state_dir = default_state_dir();
  LECTERN_TRY(auto policy, document::PathPolicy::create(options.root));
  paths = std::make_unique<document::PathPolicy>(std::move(policy));
  journals = std::make_unique<document::JournalWriter>();
  document::NotebookStore::Options store_options;
  store_options.state_dir = options.state_dir;
  store_options.registry = true;
  store_options.limits = options.session.file_limits;
  if (const auto shared = runtime_dir()) store_options.lease_dir = (*shared / "notebooks").string();
  LECTERN_TRY(store, document::NotebookStore::create(std::move(store_options), *journals));
  return {};
}

// A policy somebody asked for must be there; without the default one the host starts, and opening says what is missing.
Status Host::Parts::check_policy() const {
  const auto known = registry->ids(plugin::Kind::policy);
  const auto& wanted = options.session.policy;
  if (std::find(known.begin(), known.end(), wanted) != known.end()) return check_policy_config();
  std::string listed;
  for (const auto& id : known) listed += (listed.empty() ? "" : ", ") + id;
  const auto near = text::nearest(wanted, known);
  Error error{400, "usage", "the policy '" + wanted + "' is not in the plugin path or was refused",
              (near.empty() ? "" : "did you mean '" + near + "'? ") + ("known: " + (listed.empty() ? "none" : listed)) +
                  "; 'lectern plugins' says more",
              ""};
  if (options.policy_given) return fail(std::move(error));
  log::warning("plugins", in_full(error));
  return {};
}

// Settings that the policy's schema refuses stop the start, not the first notebook; what else is wrong with the policy
// is said when a notebook needs it.
Status Host::Parts::check_policy_config() const {
  const auto generation = registry->load(plugin::Kind::policy, options.session.policy);
  if (!generation) return {};
  auto checked = (*generation)->check_config(options.session.policy_config);
  if (checked) return {};
  Error error = std::move(checked).error();
  error.code = "usage";
  error.message = "--policy-config: " + error.message;
  return fail(std::move(error));
}

// A gateway somebody named needs the plugin for it and settings that hold; one that is out of reach may come back.
Status Host::Parts::build_runtime() {
  constexpr const char* gateway = "runtime-gateway";
  runtime::PluginSettings settings;
  if (options.gateways.empty()) {
    settings.unused.insert(gateway);
  } else {
    settings.of[gateway] = gateway_settings(options);
  }
  runtime = std::make_unique<runtime::Service>(*registry, *workers, options.state_dir, std::move(settings),
                                               options.keep_kernels);
  if (options.gateways.empty()) return {};
  if (const auto generation = registry->load(plugin::Kind::runtime, gateway); !generation) {
    return fail(400, "usage", "the plugin runtime-gateway is not in the plugin path or was refused",
                in_full(generation.error()) + "; leave out --gateway, or see 'lectern plugins'");
  }
  if (auto made = runtime->hub().runtime(gateway); !made) {
    Error error = std::move(made).error();
    error.code = "usage";
    error.message = "--gateway: " + error.message;
    return fail(std::move(error));
  }
  return {};
}

void Host::Parts::build_sessions(const std::string& device_name) {
  session::Services services;
  services.registry = registry.get();
  services.store = store.get();
  services.journals = journals.get();
  services.paths = paths.get();
  services.runtime = runtime.get();
  services.workers = workers.get();
  services.device_name = device_name;
  services.state_dir = options.state_dir;
  services.transports = transports;
  std::vector<Loop*> reactors;
  for (const auto& loop : loops) reactors.push_back(loop.get());
  directory = std::make_unique<session::Directory>(services, options.session, std::move(reactors));
  sessions_timer = std::make_unique<Timer>(*loops.front());
  rest_timer = std::make_unique<Timer>(*loops.front());
  directory->on_changed([this] { sessions_changed(); });
}

// Sessions say so with every edit; the lists are made at most ten times a second.
void Host::Parts::sessions_changed() {
  if (sessions_pending.exchange(true)) return;
  loops.front()->post([this] {
    sessions_timer->start(std::chrono::milliseconds(100), [this] {
      sessions_pending = false;
      host_events->changed("sessions-changed");
      publish_sessions();
      rest_after_opening();
    });
  });
}

// Opening and closing leave memory with the allocator, several times what a notebook needs. The system gets it back
// when nobody has opened or closed one for a moment: once, because it holds up whoever allocates.
void Host::Parts::rest_after_opening() {
  const auto open = directory->list().size();
  if (std::exchange(sessions_open, open) == open && open != 0) return;
  rest_timer->start(time_to_rest, [this] { workers->submit([] { ::malloc_trim(0); }); });
}

std::vector<api::Metrics::Figure> Host::Parts::figures() const {
  const auto journal = journals->figures();
  const auto front = door->figures();
  const auto number = [](auto value) { return static_cast<double>(value); };
  return {{"journal_fsyncs_total", "Syncs of journals to disk.", number(journal.fsyncs)},
          {"journal_records_total", "Records written to journals.", number(journal.records)},
          {"journal_bytes_total", "Bytes written to journals.", number(journal.bytes)},
          {"journal_failures_total", "Journal writes or syncs that failed.", number(journal.failures)},
          {"http_requests_total", "Requests parsed.", number(front.requests)},
          {"http_turned_away_total", "Requests answered 429 or 503 at the door.", number(front.refused)},
          {"http_workers_busy", "HTTP workers with a request.", number(front.workers_busy)},
          {"http_waiting", "Accepted sockets without a worker.", number(front.waiting)},
          {"links", "WebSockets and event streams.", number(front.links)}};
}

api::Parts Host::Parts::api_parts(const std::string& device_name) {
  api::Parts out;
  out.directory = directory.get();
  out.registry = registry.get();
  out.paths = paths.get();
  out.store = store.get();
  out.workers = workers.get();
  out.loop = loops.front().get();
  out.host_events = host_events.get();
  out.metrics = &metrics;
  out.file_limits = store->limits();
  out.device_name = device_name;
  out.web_dir = options.web_dir.empty() ? default_web_dir().string() : options.web_dir;
  out.transports = transports;
  out.presence = [this]() -> Result<std::string> {
    if (!presence) return fail(presence_missing);
    return presence->json();
  };
  out.figures = [this] { return figures(); };
  out.renew_runtime = [this](const std::string& id) { return runtime->hub().renew(id); };
  out.runtimes = [this] {
    json::Array rows;
    for (const auto& kernel : runtime->catalog().list()) {
      json::Value row;
      row.set("name", kernel.name);
      row.set("display_name", kernel.display_name);
      row.set("language", kernel.language);
      rows.push_back(std::move(row));
    }
    return json::Value(std::move(rows));
  };
  out.blob = [this](const std::string& sha256) -> Result<api::Parts::Blob> {
    LECTERN_TRY(auto blob, runtime->blobs().get(sha256));
    return api::Parts::Blob{std::move(blob.bytes), std::move(blob.media_type)};
  };
  out.tokens = tokens.get();
  out.tokens_changed = [this] { token_clock->changed(); };
  out.attached = attachments.get();
  out.devices = devices.get();
  out.devices_changed = [this] { device_watch->look(); };
  out.end_principal = [this](const std::string& principal) { end_principal(principal); };
  add_pairing(out, options);
  out.addresses = [this] {
    const std::scoped_lock lock(reachable_mutex);
    return reachable;
  };
  host_events->declare("sessions-changed",
                       [this] { return json::write(api::session_list(*directory, attachments.get())); });
  host_events->declare("remote-sessions", [this] { return presence ? presence->json() : std::string("{}"); });
  host_events->declare("plugins-changed", [] { return std::string("{}"); });
  return out;
}

// A right that ended: what runs under it does not wait for its next request.
void Host::Parts::end_principal(const std::string& principal) {
  for (const auto& session : directory->sessions()) session->revoke(principal);
  attachments->revoke(principal);
  host_events->revoke(principal);
}

void Host::Parts::build_attachments(const std::string& device_name) {
  attach::AttachmentsOptions out;
  for (const auto& loop : loops) out.loops.push_back(loop.get());
  out.workers = workers.get();
  out.presence = presence.get();
  out.presence_missing = presence_missing;
  out.find_access = [known = devices.get()](const auto& session, const auto& endpoint) {
    return peer_access(session, endpoint, known);
  };
  out.device_name = device_name;
  out.changed = [events = host_events.get()] { events->changed("sessions-changed"); };
  out.is_here = [this](std::string_view id) { return directory->find(id) != nullptr; };
  attachments = std::make_unique<attach::Attachments>(std::move(out));
}

Status Host::Parts::listen(const std::string& device_name) {
  LECTERN_TRY(const auto address, bind_address(options.bind));
  build_attachments(device_name);
  api::GateOptions gate;
  LECTERN_TRY(tokens, api::Tokens::open(api::Tokens::file_for(options.state_dir, paths->root())));
  token_clock = std::make_unique<api::TokenClock>(*tokens, *loops.front(), *workers,
                                                  [this](const auto& record) { end_principal(record.principal()); });
  device_watch = std::make_unique<api::DeviceWatch>(*devices, *loops.front(), *workers,
                                                    [this](const auto& principal) { end_principal(principal); });
  gate.token = token;
  gate.tokens = tokens.get();
  gate.devices = devices.get();
  gate.hosts = answered_names(options.bind, address, options.host_names);
  shared_parts = api_parts(device_name);
  router = std::make_unique<api::Router>(std::move(gate), shared_parts);
  net::FrontDoorOptions front;
  front.bind = address;
  front.port = options.port;
  front.exact_port = options.port_given;
  front.tls_certificate = options.tls_cert;
  front.tls_key = options.tls_key;
  door = std::make_unique<net::FrontDoor>(std::move(front), *router);
  LECTERN_TRY(port, door->start());
  // A wildcard is not an address to visit; loopback is what the person at this machine can use.
  const auto visit = address == "0.0.0.0" ? "127.0.0.1" : address == "::" ? "::1" : address;
  url = (options.tls_cert.empty() ? "http://" : "https://") + with_port(visit, port);
  publish_endpoints(address);
  return {};
}

Status Host::Parts::announce() {
  RunningServer entry;
  entry.url = url;
  store->set_url(url);
  entry.token = token;
  entry.root = paths->root();
  // Other commands run in other folders.
  if (!options.tls_cert.empty()) entry.tls_cert = std::filesystem::absolute(options.tls_cert);
  entry.started_at = clock::rfc3339_now();
  auto written = RunningEntry::write(std::move(entry));
  if (written) {
    running = std::move(*written);
  } else {
    // Only the other commands need the list; the server does not.
    log::warning("app", in_full(written.error()) + "; 'lectern open' will not find this server");
  }
  return {};
}

Status Host::Parts::build() {
  presence::NameLookup name(options.device_name, std::chrono::milliseconds(options.device_name_ms));
  if (!options.no_token) token = options.token.empty() ? crypto::random_token(32) : options.token;
  LECTERN_CHECK(build_storage());
  LECTERN_CHECK(use_own_key(options));
  LECTERN_TRY(devices, presence::DeviceCredentials::open(options.state_dir));
  registry = std::make_unique<plugin::Registry>(registry_options(options));
  workers = std::make_unique<Workers>(worker_threads());
  for (std::size_t i = 0; i < std::min(most_reactors, cores()); ++i) {
    loops.push_back(std::make_unique<Loop>("reactor-" + std::to_string(i)));
  }
  LECTERN_CHECK(build_runtime());
  host_events = std::make_unique<api::HostEvents>(*loops.front());
  LECTERN_CHECK(check_policy());
  transports = load_transports(*registry);
  options.device_name = name.get();
  LECTERN_CHECK(build_presence());
  build_sessions(options.device_name);
  LECTERN_CHECK(listen(options.device_name));
  if (presence) presence->start();
  if (const auto pruned = registry->prune(); pruned != 0)
    log::debug("plugins", std::to_string(pruned) + " staged copies that nobody used are removed");
  registry->probe_from_now_on();
  LECTERN_CHECK(watch_plugins());
  take_up_kernels();
  return announce();
}

// With or without --keep-kernels: what an earlier host kept is not left to itself.
void Host::Parts::take_up_kernels() {
  workers->submit([this] {
    for (const auto& kernel : runtime->kept().list()) {
      if (!runtime::KeptKernels::held_elsewhere(kernel)) take_up(kernel);
    }
  });
}

// Its notebook is opened, and with it the session goes on. One of another root is for a host that serves it.
void Host::Parts::take_up(const runtime::KeptKernel& kernel) {
  if (kernel.dead) return runtime->kept().clear(kernel);
  const auto where = paths->resolve(kernel.path);
  if (!where) return;
  const auto end = [this, kernel](const std::string& why) {
    log::warning("runtime", "the kernel that was kept for " + kernel.path + " is ended: " + why);
    runtime->hub().submit([this, kernel] {
      if (runtime::KeptKernels::end(kernel)) return runtime->kept().clear(kernel);
      log::warning("runtime", "the kernel that was kept for " + kernel.path + " could not be ended from here");
    });
  };
  if (where->kind == document::PathKind::missing) return end("the notebook is not there any more");
  directory->open(kernel.path,
                  [kernel, end](const Result<session::SessionPtr>& opened) {
                    if (!opened) {
                      return log::warning("runtime", "the kernel that was kept for " + kernel.path +
                                                         " waits: " + in_full(opened.error()));
                    }
                    if ((*opened)->id() != kernel.session_id) end("its session has ended");
                  },
                  {false, false});
}

Status Host::Parts::watch_plugins() {
  if (!options.watch_plugins) return {};
  LECTERN_TRY(plugin_watch, PluginWatch::start(registry->options().search, [this] { reload_outdated(); }));
  return {};
}

// One that is refused stays as it is, and is tried again with the next change.
void Host::Parts::reload_outdated() {
  for (const auto& id : registry->outdated()) {
    api::reload_plugin(shared_parts, id, [id](const Result<json::Value>& done) {
      if (done) return log::info("plugins", "'" + id + "' was replaced on disk and is reloaded");
      log::warning("plugins", "'" + id + "' was replaced on disk and is not reloaded: " + in_full(done.error()));
    });
  }
}

void Host::Parts::end_sessions() {
  if (!directory) return;
  struct Done {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };
  auto done = std::make_shared<Done>();  // may be called after we gave up waiting
  directory->end_all("SHUTDOWN", [done] {
    const std::lock_guard lock(done->mutex);
    done->done = true;
    done->changed.notify_all();
  });
  std::unique_lock lock(done->mutex);
  if (!done->changed.wait_for(lock, time_to_save, [&] { return done->done; })) {
    log::error("app", "sessions did not end in 20 s; their edits are in the journal and come back with the next start");
  }
}

// Workers start their tasks in order, so when all of them are in one of ours, everything submitted before has ended.
void Host::Parts::finish_work() {
  if (!workers) return;
  const auto threads = static_cast<std::ptrdiff_t>(worker_threads());
  auto all_here = std::make_shared<std::latch>(threads + 1);
  for (std::ptrdiff_t i = 0; i < threads; ++i) {
    workers->submit([all_here] { all_here->arrive_and_wait(); });
  }
  all_here->arrive_and_wait();
}

// The timer reads the directory and the presence service, which go next.
void Host::Parts::stop_publishing() {
  if (!sessions_timer) return;
  std::promise<void> stopped;
  loops.front()->post([&] {
    sessions_pending = true;
    sessions_timer->cancel();
    rest_timer->cancel();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

Host::Host() : parts_(std::make_unique<Parts>()) {}
Host::~Host() {
  shutdown();
}

Result<std::unique_ptr<Host>> Host::start(ServeOptions options) {
  std::unique_ptr<Host> host(new Host);
  host->parts_->options = std::move(options);
  LECTERN_CHECK(host->parts_->build());
  return host;
}

void Host::shutdown() {
  auto& parts = *parts_;
  if (std::exchange(parts.down, true)) return;
  parts.running = RunningEntry();
  parts.plugin_watch.reset();
  if (parts.door) parts.door->drain();
  if (parts.presence) parts.presence->set_draining();
  if (parts.host_events) parts.host_events->close_all("SHUTDOWN");
  if (parts.runtime && parts.options.keep_kernels) parts.runtime->kept().host_ends();
  parts.end_sessions();
  if (parts.attachments) parts.attachments->stop();
  if (parts.door) parts.door->stop();
  parts.finish_work();
  parts.stop_publishing();
  if (parts.token_clock) parts.token_clock->stop();
  if (parts.device_watch) parts.device_watch->stop();
  parts.directory.reset();
  parts.presence.reset();
  parts.runtime.reset();
  // What workers still run refers to the router, and what loops still run to the event streams and to the workers.
  if (parts.workers) parts.workers->stop();
  for (auto& loop : parts.loops) loop->stop();
  // What loops were to do still holds connections, and with them transports: no process may answer to a loop that goes.
  for (const auto& transport : parts.transports) transport->end();
  parts.router.reset();
}

const std::string& Host::url() const {
  return parts_->url;
}
const std::string& Host::token() const {
  return parts_->token;
}
std::uint16_t Host::port() const {
  return parts_->port;
}

}  // namespace lectern::app
