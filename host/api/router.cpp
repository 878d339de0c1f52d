#include "api/router.hpp"

#include <algorithm>

#include "api/static_files.hpp"
#include "api/upgrade.hpp"
#include "api/url.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

// What some clients send with every request, "{}" with a DELETE too, is read past.
constexpr std::size_t body_without_meaning = 4096;

bool is_page_route(const Match& match, std::string_view path) {
  return match.route && match.route->pattern == "/{path*}" && StaticFiles::page_route(path);
}

// The page itself needs the token; its files are the same for everybody.
Scope scope_of(const Match& match, std::string_view path) {
  if (!match.route) return Scope::view;
  return is_page_route(match, path) ? Scope::view : match.route->scope;
}

bool wants_html(const Request& request) {
  const auto* accept = request.header("Accept");
  return accept && accept->find("text/html") != std::string::npos;
}

// ?token= was right: from here on the cookie stands for it and the address bar forgets it.
Response swap_token(const Request& request, const Gate& gate) {
  auto target = percent_encode(request.path, true);
  while (target.size() > 1 && target[1] == '/') target.erase(0, 1);  // "//host/" would lead elsewhere
  if (const auto rest = query_without(request.query, "token"); !rest.empty()) target += "?" + rest;
  const auto* site = request.header("Sec-Fetch-Site");
  Response response;
  if (site && *site != "none" && *site != "same-origin") {
    response = onward_page(target);
  } else {
    response.status = 303;
    response.headers = {{"Location", target}, {"Cache-Control", "no-store"}, {"Referrer-Policy", "no-referrer"}};
  }
  response.headers.emplace_back("Set-Cookie", gate.set_cookie(request));
  return response;
}

Error wrong_method(const Request& head, const Match& match) {
  return {405, "method_not_allowed", head.method + " is not for '" + text::label(head.path, 200) + "'",
          "allowed: " + match.allowed, "{\"allow\":\"" + match.allowed + "\"}"};
}

Outcome count(Outcome outcome, Metrics& metrics) {
  if (const auto* response = std::get_if<Response>(&outcome)) {
    metrics.count_response(response->status);
  } else if (auto* deferred = std::get_if<Deferred>(&outcome)) {
    deferred->start = [start = std::move(deferred->start), &metrics](Respond respond) mutable {
      start([respond = std::move(respond), &metrics](Response made) mutable {
        metrics.count_response(made.status);
        respond(std::move(made));
      });
    };
  } else {
    metrics.count_response(101);
  }
  return outcome;
}

}  // namespace

Router::Router(GateOptions gate, Parts parts)
    : gate_(std::move(gate)), metrics_(parts.metrics), endpoints_(std::move(parts)) {}

Result<Access> Router::authorize(const Request& head, const Match& match) {
  LECTERN_CHECK(gate_.check_host(head));
  LECTERN_CHECK(gate_.check_site(head, is_page_route(match, head.path)));
  const auto needed = scope_of(match, head.path);
  if (needed == Scope::none) return Access{Scope::none, "", "", ""};
  LECTERN_TRY(auto access, gate_.authenticate(head));
  // A request may ask to count for less than its credential: what another host forwards has its asker's scope.
  if (const auto* asked = head.header("Lectern-Scope")) {
    access.scope = std::min(access.scope, scope_of_name(*asked).value_or(Scope::view));
  }
  if (const auto* asked = head.header("Lectern-Session"); asked && access.session.empty()) access.session = *asked;
  if (match.route) {
    if (auto allowed = check_access(access, needed, *match.route, match.arguments); !allowed) {
      auto error = allowed.error();
      // Who asks for the pen is denied it, whether by the policy or because the token never had it (protocol 2).
      if (error.code == "scope" && match.route->handler == &Endpoints::takeover) error.code = "denied";
      return fail(std::move(error));
    }
  }
  return access;
}

Result<RouteLimits> Router::admit(const Request& head) {
  const auto match = match_route(head.method, head.path);
  if (auto allowed = authorize(head, match); !allowed) {
    // A person who came without the token gets a page that asks for it, which handle() makes.
    const bool person = allowed.error().status == 401 && is_page_route(match, head.path) && wants_html(head);
    if (person) return RouteLimits{0};
    metrics_->count_refusal(allowed.error().status);
    return fail(allowed.error());
  }
  if (match.route) return RouteLimits{std::max(match.route->max_body, body_without_meaning)};
  if (match.allowed.empty()) {
    metrics_->count_refusal(404);
    return fail(404, "not_found", "there is no route '" + text::label(head.path, 200) + "'",
                "GET /api/v1/openapi.json lists the routes");
  }
  metrics_->count_refusal(405);
  return fail(wrong_method(head, match));
}

Outcome Router::handle(Request request) {
  auto match = match_route(request.method, request.path);
  auto allowed = authorize(request, match);
  if (!allowed) {
    metrics_->count_refusal(allowed.error().status);
    const bool person = allowed.error().status == 401 && is_page_route(match, request.path);
    return person && wants_html(request) ? token_page(allowed.error()) : error_response(allowed.error());
  }
  if (!match.route) return error_response(wrong_method(request, match));
  if (is_page_route(match, request.path) && gate_.token_in_query(request)) {
    metrics_->count_response(303);
    return swap_token(request, gate_);
  }
  Call call{std::move(request),
            std::move(match.arguments),
            match.route,
            allowed->scope,
            std::move(allowed->principal),
            std::move(allowed->session),
            std::move(allowed->device)};
  const auto handler = match.route->handler;
  try {
    if (auto relayed = endpoints_.relayed(call)) return count(std::move(*relayed), *metrics_);
    return count((endpoints_.*handler)(std::move(call)), *metrics_);
  } catch (const std::exception& error) {
    log::error("api", std::string(match.route->pattern) + " failed: " + error.what());
    metrics_->count_response(500);
    return error_response({500, "internal", "the server failed on this request", "its log says more", ""});
  }
}

}  // namespace lectern::api
