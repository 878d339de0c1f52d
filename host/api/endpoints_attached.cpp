// Sessions of other hosts, attached here: attaching, and the routes of a session when it is one of them. What a scope
// allows is checked here as for any session, and told to the host there, which checks it again.
#include <array>

#include "api/endpoints.hpp"
#include "api/upgrade.hpp"
#include "api/url.hpp"
#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/text.hpp"
#include "session/commands.hpp"
#include "session/connection.hpp"

namespace lectern::api {
namespace {

constexpr std::array<std::string_view, 4> passed_on = {"Content-Type", "Lectern-Epoch", "Idempotency-Key",
                                                       "If-None-Match"};

Error needs_scope(const std::string& command, std::string_view needed, Scope scope) {
  return {403, command == "takeover" ? "denied" : "scope",
          "the command '" + command + "' needs the scope " + std::string(needed) + "; this token's is " +
              std::string(scope_name(scope)),
          "ask whoever handed out the token for one with a larger scope", ""};
}

/// What the session itself would refuse for the scope alone.
Status check_command(const std::string& name, Scope scope) {
  const auto* spec = session::find_command(name);
  if (spec == nullptr) return {};  // the host there may know more than we do, and checks the scope it is told
  if ((spec->tier == session::Tier::edit || name == "takeover") && scope < Scope::edit) {
    return fail(needs_scope(name, "edit", scope));
  }
  if (spec->tier == session::Tier::interact && scope < Scope::interact) {
    return fail(needs_scope(name, "interact", scope));
  }
  return {};
}

/// A JSON answer with `change` made to it; anything else as it is.
Response changed(Response response, const std::function<void(json::Value&)>& change) {
  if (response.status >= 300) return response;
  auto body = json::parse(response.content());
  if (!body || !body->is_object()) return response;
  change(*body);
  return json_response(response.status, json::write(*body));
}

}  // namespace

Forwarded forwarded(const Call& call) {
  Forwarded out;
  out.method = call.request.method == "HEAD" ? "GET" : call.request.method;
  out.target = percent_encode(call.request.path, true);
  if (const auto rest = query_without(query_without(call.request.query, "token"), "ticket"); !rest.empty()) {
    out.target += "?" + rest;
  }
  for (const auto name : passed_on) {
    if (const auto* value = call.request.header(name)) out.headers.emplace_back(name, *value);
  }
  out.scope = scope_name(call.scope);
  out.deadline_ms = call.route->deadline_ms;
  return out;
}

// A token that may not attach, or not others than its session, finds what is attached already, as open_live() finds
// what is open: the link that was handed out names the session, as every link of the page to one elsewhere does.
Outcome Endpoints::attach_live(const Call& call) const {
  const auto& id = call.arguments.at(0);
  const auto attached = parts_.attached == nullptr ? nullptr : parts_.attached->find(id);
  if (!attached) {
    return error_response({403, "not_attached", "this token may only join sessions that are attached, and this is none",
                           "ask whoever handed out the token to attach it", ""});
  }
  auto info = attached->info();
  info.set("connect_url", connect_url(call.request, id));
  return json_response(200, json::write(info));
}

Outcome Endpoints::attach(Call call) {
  if (auto body = body_object(call.request); !body) return error_response(body.error());
  if (call.scope < Scope::edit || !call.session.empty()) return attach_live(call);
  if (parts_.attached == nullptr) {
    return error_response({404, "remote_session_not_found", "this host knows of no other devices", "", ""});
  }
  auto url = connect_url(call.request, call.arguments.at(0));
  return Deferred{[this, id = call.arguments[0], url = std::move(url)](Respond respond) {
                    parts_.attached->attach(id, [respond = std::move(respond), url](Result<json::Value> info) mutable {
                      if (info) info->set("connect_url", url);
                      answer(respond, 200, info);
                    });
                  },
                  call.route->deadline_ms};
}

std::optional<Outcome> Endpoints::relayed(Call& call) {
  const auto handler = call.route->attached;
  if (parts_.attached == nullptr || handler == nullptr) return {};
  auto found = parts_.attached->find(call.arguments.at(0));
  if (!found) return {};
  if (parts_.directory->find(call.arguments[0])) {  // it lives here now
    parts_.attached->detach(call.arguments[0], [](const Result<bool>&) {});
    return {};
  }
  return (this->*handler)(std::move(call), std::move(found));
}

Outcome Endpoints::not_relayed(Call, AttachedPtr) {
  return error_response({501, "not_relayed", "this route is not carried to the device that has the session",
                         "follow an attached session on its WebSocket, or ask that device itself", ""});
}

Outcome Endpoints::detach(Call call, AttachedPtr attached) {
  return Deferred{[this, id = attached->id()](Respond respond) {
                    parts_.attached->detach(id, [respond = std::move(respond)](const Result<bool>&) mutable {
                      Response response;
                      response.status = 204;
                      respond(std::move(response));
                    });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::relay_request(Call call, AttachedPtr attached) {
  return relay_changed(std::move(call), std::move(attached), {});
}

Outcome Endpoints::relay_command(Call call, AttachedPtr attached) {
  if (auto allowed = check_command(call.arguments.at(1), call.scope); !allowed) return error_response(allowed.error());
  return relay_request(std::move(call), std::move(attached));
}

Outcome Endpoints::relay_show(Call call, AttachedPtr attached) {
  auto url = connect_url(call.request, call.arguments.at(0));
  auto here = [url = std::move(url), remote = attached->remote()](json::Value& body) {
    body.set("connect_url", url);
    body.set("remote", remote);
  };
  return relay_changed(std::move(call), std::move(attached), std::move(here));
}

/// Tickets are used up where they are shown: here.
Outcome Endpoints::relay_make_client(Call call, AttachedPtr attached) {
  auto ticket = [this, session = attached->id()](json::Value& body) {
    const auto* client = body.find("client");
    const auto* id = client != nullptr ? client->find("id") : nullptr;
    const auto* secret = client != nullptr ? client->find("secret") : nullptr;
    if (id == nullptr || secret == nullptr || !id->is_string() || !secret->is_string()) return;
    body.set("ticket", tickets_.issue(session, *id->as_string() + "." + *secret->as_string(), clock::now_ms()));
  };
  return relay_changed(std::move(call), std::move(attached), std::move(ticket));
}

/// As that host answers it, with `change` made to what it says of a success.
// Answers come on loops alone, and those have ended when the router goes (Host::shutdown): `this` is there.
Outcome Endpoints::relay_changed(Call call, AttachedPtr attached, std::function<void(json::Value&)> change) {
  auto key = client_key(call, attached->id());
  if (!key) return error_response(key.error());
  auto request = forwarded(call);
  if (!key->empty()) request.headers.emplace_back("Lectern-Client", std::move(*key));
  request.body = std::move(call.request.body);
  return Deferred{[this, attached = std::move(attached), request = std::move(request), change = std::move(change),
                   principal = std::move(call.principal), scope = call.route->scope](Respond respond) mutable {
                    const bool only_asks = request.method == "GET";
                    auto finish = [this, change = std::move(change), respond = std::move(respond),
                                   principal = std::move(principal), scope, only_asks](Response answer) mutable {
                      // What was done there is told to whoever asked for it; what is only read is for those who still
                      // may.
                      if (only_asks && !lives(principal, scope)) return respond(error_response(token_ended()));
                      respond(change ? changed(std::move(answer), change) : std::move(answer));
                    };
                    attached->forward(std::move(request), std::move(finish));
                  },
                  call.route->deadline_ms};
}

void Endpoints::relay_blob(const Call& call, Respond respond, Error missing) const {
  struct Asking : std::enable_shared_from_this<Asking> {
    std::vector<AttachedPtr> left;
    Forwarded request;
    Respond respond;
    Error missing;
    Workers* workers = nullptr;
    std::string sha256;
    void next() {
      if (left.empty()) return respond(error_response(missing));
      const auto attached = std::move(left.back());
      left.pop_back();
      auto narrowed = request;
      narrowed.headers.emplace_back("Lectern-Session", attached->id());  // not what its host shows in others
      attached->forward(std::move(narrowed), [self = shared_from_this()](Response response) {
        if (response.status == 304) return self->respond(std::move(response));
        if (response.status != 200) return self->next();
        self->workers->submit([self, response = std::move(response)]() mutable {
          // Its name is kept for good by whoever asked: only the bytes that it names have it.
          if (crypto::sha256_hex(response.content()) != self->sha256) return self->next();
          self->respond(std::move(response));
        });
      });
    }
  };
  auto asking = std::make_shared<Asking>();
  if (parts_.attached != nullptr) asking->left = parts_.attached->sessions();
  std::erase_if(asking->left, [&](const auto& one) { return !call.session.empty() && one->id() != call.session; });
  asking->request = forwarded(call);
  asking->respond = std::move(respond);
  asking->missing = std::move(missing);
  asking->workers = parts_.workers;
  asking->sha256 = call.arguments.at(0);
  asking->next();
}

}  // namespace lectern::api
