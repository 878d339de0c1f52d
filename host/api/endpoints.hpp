// What each route does. Everything here runs on a net/ worker thread; what would wait is deferred.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/attached.hpp"
#include "api/host_events.hpp"
#include "api/http.hpp"
#include "api/in_pieces.hpp"
#include "api/metrics.hpp"
#include "api/pace.hpp"
#include "api/routes.hpp"
#include "api/static_files.hpp"
#include "api/tickets.hpp"
#include "api/tokens.hpp"
#include "api/upgrade.hpp"
#include "base/json.hpp"
#include "base/loop.hpp"
#include "base/workers.hpp"
#include "document/notebook_file.hpp"
#include "document/notebook_store.hpp"
#include "document/path_policy.hpp"
#include "plugin/registry.hpp"
#include "plugin/transport.hpp"
#include "presence/credentials.hpp"
#include "presence/pairing.hpp"
#include "session/directory.hpp"

namespace lectern::api {

/// The parts of the host the API answers from. References only: app/ owns them and they outlive the router.
struct Parts {
  session::Directory* directory = nullptr;
  plugin::Registry* registry = nullptr;
  const document::PathPolicy* paths = nullptr;
  document::NotebookStore* store = nullptr;
  Workers* workers = nullptr;
  Loop* loop = nullptr;  // of the host-wide event stream
  HostEvents* host_events = nullptr;
  Metrics* metrics = nullptr;
  document::FileLimits file_limits;
  std::string device_name;
  std::string web_dir;
  std::vector<plugin::TransportPtr> transports;
  /// [any] The body of GET /api/v1/presence; the error names what is missing.
  std::function<Result<std::string>()> presence;
  /// [any] More figures for /metrics.
  std::function<std::vector<Metrics::Figure>()> figures;
  /// [worker] Runtimes a notebook can be created for: JSON array of {name, display_name, language}.
  std::function<json::Value()> runtimes;
  /// [worker] Kernels to come are started by what lies on disk now; the number of its generation.
  std::function<Result<std::uint64_t>(const std::string& plugin_id)> renew_runtime;
  /// [worker] Bytes and media type of a stored blob; 404 `blob_not_found`.
  struct Blob {
    std::shared_ptr<const std::string> bytes;
    std::string media_type;
  };
  std::function<Result<Blob>(const std::string& sha256)> blob;
  Attached* attached = nullptr;  // sessions of other hosts; null = none can be
  Tokens* tokens = nullptr;
  /// [any] The next expiry may have moved: whoever keeps the clock looks again.
  std::function<void()> tokens_changed;
  presence::DeviceCredentials* devices = nullptr;
  /// [worker] What runs under tokens of devices that stopped working has ended when this returns.
  std::function<void()> devices_changed;
  /// [any] What runs under this principal is to end: connections, event streams, relays.
  std::function<void(const std::string& principal)> end_principal;
  /// [worker] This device as the other side of a pairing sees it; without nonce and grants.
  std::function<Result<presence::PairingParty>()> pairing_self;
  /// [worker] Signs for it, with the key of its pin.
  std::function<Result<presence::KeyProof>(const std::string& statement)> prove_key;
  /// [worker] Accepts the pairing that the host at `address` ("host[:port]") offers; not stored yet. The network's
  /// errors have status 502.
  std::function<Result<presence::PairedDevice>(const std::string& address, const std::string& code,
                                               const std::string& grants)>
      join_pairing;
  /// [any] Where others may reach this host: "192.168.1.4:8899".
  std::function<std::vector<std::string>()> addresses;
};

/// "0.1.0": the host's version, as built.
std::string_view host_version();

class Endpoints {
 public:
  explicit Endpoints(Parts parts);

  Outcome health(Call call);
  Outcome metrics(Call call);
  Outcome info(Call call);
  Outcome openapi(Call call);
  Outcome asyncapi(Call call);
  Outcome host_events(Call call);
  Outcome files(Call call);
  Outcome download_file(Call call);
  Outcome upload_file(Call call);
  Outcome make_folder(Call call);
  Outcome rename_file(Call call);
  Outcome delete_file(Call call);
  Outcome list_plugins(Call call);
  Outcome reload_plugin(Call call);
  Outcome show_plugin(Call call);
  Outcome presence(Call call);
  Outcome blob(Call call);
  Outcome page(Call call);

  Outcome list_tokens(Call call);
  Outcome mint_token(Call call);
  Outcome revoke_token(Call call);

  Outcome offer_pairing(Call call);
  Outcome withdraw_pairing(Call call);
  Outcome accept_pairing(Call call);
  Outcome join_pairing(Call call);
  Outcome list_devices(Call call);
  Outcome unpair_device(Call call);

  Outcome open_notebook(Call call);
  Outcome open_live(Call call, const std::string& path);
  Outcome create_notebook(Call call);
  Outcome list_sessions(Call call);
  Outcome show_session(Call call);
  Outcome end_session(Call call);
  Outcome make_client(Call call);
  Outcome document(Call call);
  Outcome session_file(Call call);
  Outcome nbextension(Call call);
  Outcome whole_output(Call call);
  Outcome history(Call call);
  Outcome history_version(Call call);
  Outcome blame(Call call);
  Outcome takeover(Call call);
  Outcome takeover_status(Call call);
  Outcome command(Call call);
  Outcome show_default_policy(Call call);
  Outcome set_default_policy(Call call);
  Outcome show_policy(Call call);
  Outcome set_policy(Call call);
  Outcome policy_record(Call call);

  Outcome connect(Call call);
  Outcome session_events(Call call);
  Outcome attach(Call call);
  [[nodiscard]] Outcome attach_live(const Call& call) const;
  Outcome create_elsewhere(Call call);

  Outcome relay(Call call);

  /// For requests about a session that is attached here, by what its route says of those: `call` is moved from then.
  /// Empty when it is about none.
  std::optional<Outcome> relayed(Call& call);
  // What routes say.
  Outcome relay_upgrade(Call call, AttachedPtr attached);
  Outcome relay_stream(Call call, AttachedPtr attached);
  Outcome relay_request(Call call, AttachedPtr attached);
  Outcome relay_show(Call call, AttachedPtr attached);
  Outcome relay_make_client(Call call, AttachedPtr attached);
  Outcome relay_command(Call call, AttachedPtr attached);
  Outcome relay_whole_output(Call call, AttachedPtr attached);
  Outcome detach(Call call, AttachedPtr attached);
  Outcome not_relayed(Call call, AttachedPtr attached);

 private:
  [[nodiscard]] Result<session::SessionPtr> session_of(const Call& call) const;
  /// [any] Whether what was let in as `principal` still may be here, with that scope; waits for no disk.
  [[nodiscard]] bool lives(std::string_view principal, Scope scope = Scope::none) const;
  [[nodiscard]] static Error token_ended();
  /// What is read for `call` until its token is void: then there is no further piece.
  [[nodiscard]] InPieces::Read while_it_lives(const Call& call, InPieces::Read read) const;
  [[nodiscard]] Result<std::string> client_key(const Call& call, const std::string& session_id);
  [[nodiscard]] std::string device_of(const Call& call) const;
  [[nodiscard]] std::vector<const plugin::Binding*> bindings(plugin::Carrier carrier, std::string_view route) const;
  /// Of one of bindings(): the transport, and which of its bindings it is.
  [[nodiscard]] std::pair<plugin::TransportPtr, std::uint32_t> transport_of(const plugin::Binding& binding) const;
  [[nodiscard]] Result<session::ConnectRequest> viewer_request(const Call& call, const AttachedSession& attached);
  [[nodiscard]] Outcome upgrade(Call call, plugin::Carrier carrier, std::string_view route);
  [[nodiscard]] Outcome run_command(Call call, std::string name);
  [[nodiscard]] Outcome relay_changed(Call call, AttachedPtr attached, std::function<void(json::Value&)> change);
  /// A blob that no session here shows, from the hosts whose sessions are attached.
  void relay_blob(const Call& call, Respond respond, Error missing) const;

  Parts parts_;
  Tickets tickets_;
  presence::PairingOffer pairing_;
  Pace pairing_pace_{30};
  StaticFiles static_files_;
  std::string started_at_;
  std::shared_ptr<const std::string> openapi_;  // made on first use, from the tables
  std::shared_ptr<const std::string> asyncapi_;
  std::mutex specs_mutex_;
};

// Shared by the handlers.

/// Ends a deferred request with JSON or an error.
void answer(Respond& respond, int status, const Result<json::Value>& value);
/// [any] The request's body as a JSON object; an empty body counts as {}. 400, 413.
Result<json::Value> body_object(const Request& request);
/// The request as the host is asked that has the session; without its body and its client.
Forwarded forwarded(const Call& call);
/// The bits edit=1, interact=2 that a scope allows.
std::uint32_t scope_bits(Scope scope);
/// "ws://127.0.0.1:8899/api/v1/sessions/S/connect", as this request reached us.
std::string connect_url(const Request& request, std::string_view session_id);
json::Value connection_info(const session::ConnectionInfo& info, const Request& request);
/// [any] {"sessions":[…]}: the body of GET /api/v1/sessions and the data of `sessions-changed`.
json::Value session_list(const session::Directory& directory, const Attached* attached, const std::string& only = {});

}  // namespace lectern::api
