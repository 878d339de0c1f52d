#include "api/routes.hpp"

#include <array>

#include "api/endpoints.hpp"
#include "document/notebook_file.hpp"

namespace lectern::api {
namespace {

constexpr std::size_t none = 0;
constexpr std::size_t tiny = 4u << 10;  // of those who have shown nothing yet
constexpr std::size_t small = 64u << 10;
constexpr std::size_t large = 16u << 20;  // a command may carry a cell of this size
constexpr std::size_t whole_file = document::FileLimits{}.max_bytes;

using E = Endpoints;

constexpr Route table[] = {
    {"GET", "/health", Scope::none, none, &E::health, "Is the server alive?", 200, "Health"},
    {"GET", "/metrics", Scope::view, none, &E::metrics, "Figures in Prometheus' text format", 200,
     "text/plain; version=0.0.4"},
    {"GET", "/api/v1/info", Scope::view, none, &E::info, "Version, device name, plugins, policy and limits", 200,
     "Info"},
    {"GET", "/api/v1/openapi.json", Scope::view, none, &E::openapi, "This description", 200, "application/json"},
    {"GET", "/api/v1/asyncapi.json", Scope::view, none, &E::asyncapi, "The description of the WebSocket", 200,
     "application/json"},
    {"GET", "/api/v1/events", Scope::view, none, &E::host_events,
     "Host-wide events: sessions-changed, remote-sessions, plugins-changed", 200, "text/event-stream"},

    {"POST",
     "/api/v1/notebooks/open",
     Scope::view,
     small,
     &E::open_notebook,
     "Opens a notebook file; concurrent opens of one file share one session; below the scope edit only what is open",
     200,
     "ConnectionInfo",
     "OpenRequest",
     {},
     {},
     120'000},
    {"POST",
     "/api/v1/notebooks/create",
     Scope::edit,
     small,
     &E::create_notebook,
     "Creates a notebook for a runtime and opens it",
     201,
     "ConnectionInfo",
     "CreateRequest",
     {},
     {},
     120'000},
    {"GET",
     "/api/v1/files",
     Scope::view,
     none,
     &E::files,
     "Lists a folder inside the root",
     200,
     "FileList",
     {},
     "path"},
    {"GET",
     "/api/v1/files/content",
     Scope::edit,
     none,
     &E::download_file,
     "The bytes of a file inside the root; of a notebook that is open, as a save would write it now",
     200,
     "application/octet-stream",
     {},
     "path",
     {},
     60'000},
    {"POST",
     "/api/v1/files/content",
     Scope::edit,
     whole_file,
     &E::upload_file,
     "Writes a file inside the root, whole or not at all; over an existing one only with overwrite=true (then 200)",
     201,
     "FileEntry",
     "application/octet-stream",
     "path overwrite",
     {},
     60'000},
    {"POST", "/api/v1/files/folder", Scope::edit, small, &E::make_folder, "Makes a folder inside the root", 201,
     "FileEntry", "FolderRequest"},
    {"POST",
     "/api/v1/files/rename",
     Scope::edit,
     small,
     &E::rename_file,
     "Gives a file or folder another name or place inside the root, never over anything; the sessions of "
     "notebooks that are open, in it too, go along",
     200,
     "FileEntry",
     "RenameRequest",
     {},
     {},
     60'000},
    {"DELETE",
     "/api/v1/files",
     Scope::edit,
     none,
     &E::delete_file,
     "Deletes a file, or a folder with nothing in it; with recursive=true everything in it",
     204,
     "",
     {},
     "path recursive",
     {},
     60'000},

    {"GET", "/api/v1/sessions", Scope::view, none, &E::list_sessions, "The live sessions, oldest first", 200,
     "SessionList"},
    {"GET",
     "/api/v1/sessions/{session_id}",
     Scope::view,
     none,
     {&E::show_session, &E::relay_show},
     "One session",
     200,
     "Session"},
    {"DELETE",
     "/api/v1/sessions/{session_id}",
     Scope::edit,
     none,
     {&E::end_session, &E::detach},
     "Saves, stops the kernel and ends the session",
     204,
     "",
     {},
     {},
     {},
     60'000},
    {"POST",
     "/api/v1/sessions/{session_id}/clients",
     Scope::view,
     small,
     {&E::make_client, &E::relay_make_client},
     "A client without a socket, kept 30 s and renewed by each command",
     201,
     "NewClient",
     "NewClientRequest"},
    {"GET",
     "/api/v1/sessions/{session_id}/connect",
     Scope::view,
     none,
     {&E::connect, &E::relay_upgrade},
     "WebSocket, subprotocol lectern.v1; see asyncapi.json",
     101,
     "",
     {},
     "client_id resume view_only document notebook heads history_id models models_heads models_history_id buffers "
     "label kind ticket",
     "Lectern-Client"},
    {"GET",
     "/api/v1/sessions/{session_id}/relay",
     Scope::view,
     none,
     {&E::relay, &E::not_relayed},
     "WebSocket of another host, subprotocol lectern-relay.v1: any number of its viewers on one connection",
     101,
     "",
     {},
     {},
     "Lectern-Device-Name"},
    {"GET",
     "/api/v1/sessions/{session_id}/events",
     Scope::view,
     none,
     {&E::session_events, &E::relay_stream},
     "The session's events as server-sent events",
     200,
     "text/event-stream",
     {},
     "ticket resume view_only document notebook heads history_id models models_heads models_history_id label kind",
     "Lectern-Client Last-Event-ID"},
    {"GET",
     "/api/v1/sessions/{session_id}/document",
     Scope::view,
     none,
     {&E::document, &E::relay_request},
     "The notebook document as Automerge save bytes; the ETag is its heads",
     200,
     "application/octet-stream",
     {},
     {},
     "If-None-Match"},
    {"GET",
     "/api/v1/sessions/{session_id}/file",
     Scope::view,
     none,
     {&E::session_file, &E::relay_request},
     "The notebook as a save would write it now, also while it cannot be saved",
     200,
     "application/octet-stream",
     {},
     {},
     {},
     60'000},
    {"GET",
     "/api/v1/sessions/{session_id}/nbextensions",
     Scope::view,
     none,
     {&E::nbextension, &E::relay_request},
     "A file of a widget, from share/jupyter/nbextensions of the environment of the session's kernel",
     200,
     "application/octet-stream",
     {},
     "path",
     "If-None-Match"},
    {"GET",
     "/api/v1/sessions/{session_id}/outputs/{output_id}",
     Scope::view,
     none,
     {&E::whole_output, &E::relay_whole_output},
     "All that a cell said which shows only a part of it, as its notice names it; one Range of its bytes with 206",
     200,
     "text/plain; charset=utf-8",
     {},
     {},
     "Range"},
    {"GET",
     "/api/v1/sessions/{session_id}/history",
     Scope::view,
     none,
     {&E::history, &E::relay_request},
     "Who did what and when, the newest first; and the copies of the file that saves put aside",
     200,
     "History",
     {},
     "before limit"},
    {"GET",
     "/api/v1/sessions/{session_id}/history/{version}",
     Scope::view,
     none,
     {&E::history_version, &E::relay_request},
     "The cells of a version, or with 'against' what differs, cell by cell; 'now', 'file', 'saved' and, against, "
     "'previous' are versions too",
     200,
     "HistoryVersion",
     {},
     "against",
     {},
     60'000},
    {"GET",
     "/api/v1/sessions/{session_id}/blame/{cell_id}",
     Scope::view,
     none,
     {&E::blame, &E::relay_request},
     "Who wrote a cell last, and each of its lines",
     200,
     "Blame",
     {},
     {},
     {},
     60'000},
    {"POST",
     "/api/v1/sessions/{session_id}/takeover",
     Scope::edit,
     small,
     {&E::takeover, &E::relay_request},
     "Asks for the pen: 200 when it is granted, 202 when the policy asks the editor",
     200,
     "Takeover",
     "TakeoverRequest",
     {},
     "Lectern-Client Idempotency-Key"},
    {"GET",
     "/api/v1/sessions/{session_id}/takeover/{request_id}",
     Scope::view,
     none,
     {&E::takeover_status, &E::relay_request},
     "How a takeover request ended",
     200,
     "TakeoverStatus",
     {},
     "wait_ms",
     "Lectern-Client",
     65'000},
    {"POST",
     "/api/v1/sessions/{session_id}/commands/{name}",
     Scope::view,
     large,
     {&E::command, &E::relay_command},
     "Runs one command",
     200,
     "CommandResult",
     "CommandBody",
     {},
     "Lectern-Client Lectern-Epoch Idempotency-Key",
     60'000},

    {"GET", "/api/v1/policy", Scope::view, none, &E::show_default_policy, "The policy of sessions to come", 200,
     "Policy"},
    {"PUT", "/api/v1/policy", Scope::admin, small, &E::set_default_policy,
     "Swaps the policy of every session, live ones included", 200, "PolicySwap", "PolicyRequest"},
    {"GET",
     "/api/v1/sessions/{session_id}/policy",
     Scope::view,
     none,
     {&E::show_policy, &E::relay_request},
     "The policy of one session",
     200,
     "Policy"},
    {"PUT",
     "/api/v1/sessions/{session_id}/policy",
     Scope::admin,
     small,
     {&E::set_policy, &E::relay_request},
     "Swaps the policy of one session; nobody is disconnected",
     200,
     "Policy",
     "PolicyRequest"},
    {"GET",
     "/api/v1/sessions/{session_id}/policy/record",
     Scope::admin,
     none,
     {&E::policy_record, &E::relay_request},
     "What the policy decided lately, as JSON lines for lectern policy replay",
     200,
     "application/jsonl"},

    {"GET", "/api/v1/plugins", Scope::view, none, &E::list_plugins,
     "What was found, what runs, what was refused and why", 200, "PluginList"},
    {"GET", "/api/v1/plugins/{id}", Scope::admin, none, &E::show_plugin,
     "One plugin; a policy that is not in use is loaded for the answer, which then has the schema of its settings", 200,
     "PluginRow"},
    {"POST", "/api/v1/plugins/{id}/reload", Scope::admin, small, &E::reload_plugin,
     "Loads a policy anew from its folder and swaps it in", 200, "Plugin"},
    {"GET", "/api/v1/presence", Scope::view, none, &E::presence, "Sessions of other devices", 200, "RemoteSessionList"},
    {"POST", "/api/v1/remote/{session_id}/attach", Scope::view, small, &E::attach,
     "Attaches a session of another device: from then on it is a session here, until DELETE detaches it. Below edit, "
     "and "
     "by a token of one session, what is attached already is found",
     200, "ConnectionInfo"},
    {"POST",
     "/api/v1/remote/{device_id}/create",
     Scope::edit,
     small,
     &E::create_elsewhere,
     "Creates a notebook on another device, as notebooks/create does there, and attaches it",
     201,
     "ConnectionInfo",
     "CreateRequest",
     {},
     {},
     120'000},

    {"GET", "/api/v1/tokens", Scope::admin, none, &E::list_tokens, "The scoped tokens, without their text", 200,
     "TokenList"},
    {"POST", "/api/v1/tokens", Scope::admin, small, &E::mint_token, "Makes a scoped token; its text is shown once", 201,
     "NewToken", "TokenRequest"},
    {"DELETE", "/api/v1/tokens/{id}", Scope::admin, none, &E::revoke_token,
     "Revokes a token: what runs under it loses its rights and connections at once", 204, ""},

    {"POST", "/api/v1/pairing", Scope::admin, small, &E::offer_pairing,
     "Offers to pair with one device: a code that is shown once", 201, "PairingOffer", "PairingRequest"},
    {"POST", "/api/v1/pairing/withdraw", Scope::admin, tiny, &E::withdraw_pairing,
     "Withdraws a code that is shown: it lets nobody in any more", 204, "", "PairingWithdrawal"},
    {"POST", "/api/v1/pairing/accept", Scope::none, tiny, &E::accept_pairing,
     "What another device sends that accepts the offer; the code it proves to know lets it in", 200, "PairingAnswer",
     "PairingAcceptance"},
    {"POST",
     "/api/v1/pairing/join",
     Scope::admin,
     small,
     &E::join_pairing,
     "Accepts the pairing that another device offers",
     201,
     "PairedDevice",
     "PairingJoin",
     {},
     {},
     60'000},
    {"GET", "/api/v1/devices", Scope::admin, none, &E::list_devices, "The devices this one is paired with", 200,
     "PairedDeviceList"},
    {"DELETE", "/api/v1/devices/{device_id}", Scope::admin, none, &E::unpair_device,
     "Ends a pairing: what runs under that device's token loses its rights and connections at once", 204, ""},

    {"GET", "/blobs/{sha256}", Scope::view, none, &E::blob, "A large output or buffer; immutable", 200, "*/*"},

    {"GET", "/{path*}", Scope::none, none, &E::page, "The page and its files", 200, "text/html"},
};

// One step through pattern and path; parts never contain '/'.
std::string_view next_part(std::string_view& rest) {
  if (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  const auto part = rest.substr(0, rest.find('/'));
  rest.remove_prefix(part.size());
  return part;
}

bool fits(std::string_view pattern, std::string_view path, std::vector<std::string>& arguments) {
  arguments.clear();
  while (!pattern.empty()) {
    const auto expected = next_part(pattern);
    if (expected.size() > 2 && expected.front() == '{' && expected[expected.size() - 2] == '*') {
      arguments.emplace_back(path.empty() ? path : path.substr(1));
      return true;
    }
    if (path.empty()) return false;
    const auto part = next_part(path);
    if (!expected.empty() && expected.front() == '{') {
      if (part.empty()) return false;
      arguments.emplace_back(part);
    } else if (part != expected) {
      return false;
    }
  }
  return path.empty();
}

bool reserved(std::string_view path) {
  return path.substr(0, 5) == "/api/" || path.substr(0, 7) == "/blobs/";
}

bool takes_rest(const Route& route) {
  return route.pattern.find("*}") != std::string_view::npos;
}

}  // namespace

std::string_view scope_name(Scope scope) {
  static constexpr std::array<std::string_view, 5> names = {"none", "view", "interact", "edit", "admin"};
  return names[static_cast<std::size_t>(scope)];
}

std::span<const Route> routes() {
  return table;
}

Match match_route(std::string_view method, std::string_view path) {
  Match match;
  if (path.empty() || path.front() != '/') return match;
  const auto wanted = method == "HEAD" ? std::string_view("GET") : method;
  std::vector<std::string> arguments;
  for (const auto& route : table) {
    // The page's route answers for what no other pattern names, but never for the API's own folders.
    if (takes_rest(route) && (!match.allowed.empty() || reserved(path))) break;
    if (!fits(route.pattern, path, arguments)) continue;
    if (route.method == wanted) {
      match.route = &route;
      match.arguments = std::move(arguments);
      return match;
    }
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += route.method;
    if (route.method == "GET") match.allowed += ", HEAD";
  }
  return match;
}

std::vector<std::string_view> pattern_names(std::string_view pattern) {
  std::vector<std::string_view> names;
  for (auto open = pattern.find('{'); open != std::string_view::npos; open = pattern.find('{', open + 1)) {
    names.push_back(pattern.substr(open + 1, pattern.find('}', open) - open - 1));
  }
  return names;
}

}  // namespace lectern::api
