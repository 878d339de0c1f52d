// THE table of routes: method, pattern, scope, largest body, handler and what is published about each. Dispatch,
// authorization and openapi.json all read it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.hpp"

namespace lectern::api {

class AttachedSession;
class Endpoints;

/// What a route needs of the caller's token, least first. `none` also needs no token at all.
enum class Scope { none, view, interact, edit, admin };
std::string_view scope_name(Scope scope);

struct Route;

/// One admitted request on its way into a handler.
struct Call {
  Request request;
  std::vector<std::string> arguments;  // what the {names} of the pattern stand for, in order
  const Route* route = nullptr;
  Scope scope = Scope::none;  // of the token it came with
  std::string principal;      // whom that token stands for
  std::string session;        // not empty: the token is for this session only
  std::string device;         // not empty: the paired device whose token it is, by name
};

using Endpoint = Outcome (Endpoints::*)(Call);
/// The same when the session that the path names is another host's and attached here.
using AttachedEndpoint = Outcome (Endpoints::*)(Call, std::shared_ptr<AttachedSession>);

/// Who answers. A route of one session says it for both: here, and attached.
struct Handlers {
  constexpr Handlers(Endpoint here_, AttachedEndpoint attached_ = nullptr) : here(here_), attached(attached_) {}
  Endpoint here;
  AttachedEndpoint attached;
};

struct Route {
  // No defaults for what decides: an entry that leaves out its scope or limit is not an entry.
  constexpr Route(std::string_view method_, std::string_view pattern_, Scope scope_, std::size_t max_body_,
                  Handlers handlers, std::string_view summary_, int status_, std::string_view answer_,
                  std::string_view body_ = {}, std::string_view query_ = {}, std::string_view headers_ = {},
                  int deadline_ms_ = 30'000)
      : method(method_),
        pattern(pattern_),
        scope(scope_),
        max_body(max_body_),
        handler(handlers.here),
        attached(handlers.attached),
        summary(summary_),
        status(status_),
        answer(answer_),
        body(body_),
        query(query_),
        headers(headers_),
        deadline_ms(deadline_ms_) {}
  std::string_view method;
  std::string_view pattern;  // "/api/v1/sessions/{session_id}"; "{path*}" at the end takes the rest
  Scope scope;
  std::size_t max_body;  // bytes; 0 = the route takes none
  Endpoint handler;
  AttachedEndpoint attached;  // null: the route is of no session
  std::string_view summary;
  int status;                // of a success
  std::string_view answer;   // name of a schema, or a media type; empty = no body
  std::string_view body;     // name of a schema; empty = none
  std::string_view query;    // names of query parameters, separated by spaces
  std::string_view headers;  // the same for request headers
  int deadline_ms;           // after which the caller gets 504 `outcome_unknown`
};

/// [any] All routes, the more specific ones first.
std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;  // null: no route takes this method on this path
  std::vector<std::string> arguments;
  std::string allowed;  // methods of the routes whose pattern fits, "GET, PUT"; empty = unknown path
};
/// [any] `path` is decoded. HEAD goes to the route of GET.
Match match_route(std::string_view method, std::string_view path);
/// [any] The names in a pattern: {"session_id"}.
std::vector<std::string_view> pattern_names(std::string_view pattern);

}  // namespace lectern::api
