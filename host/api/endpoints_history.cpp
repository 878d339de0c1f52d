// The past of a session's notebook: versions, what differs between them, who wrote a cell.

#include "api/endpoints.hpp"
#include "base/number.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

constexpr std::size_t longest_version = 64;
constexpr std::size_t longest_cell_id = 256;

Result<std::optional<std::uint64_t>> number_parameter(const Request& request, std::string_view name) {
  const auto text = request.parameter(name);
  if (!text) return std::optional<std::uint64_t>();
  const auto value = text::number<std::uint64_t>(*text);
  if (!value) return fail(400, "bad_request", std::string(name) + " must be a non-negative integer");
  return value;
}

Outcome ask(const Call& call, session::SessionPtr session, session::HistoryQuery query) {
  auto start = [session = std::move(session), query = std::move(query)](Respond respond) mutable {
    session->history(std::move(query), [respond = std::move(respond)](Result<session::CommandReply> reply) mutable {
      respond(reply ? json_response(reply->status, std::move(reply->json)) : error_response(reply.error()));
    });
  };
  return Deferred{std::move(start), call.route->deadline_ms};
}

}  // namespace

Outcome Endpoints::history(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  session::HistoryQuery query;
  auto before = number_parameter(call.request, "before");
  if (!before) return error_response(before.error());
  auto limit = number_parameter(call.request, "limit");
  if (!limit) return error_response(limit.error());
  query.before = *before;
  query.limit = static_cast<std::size_t>(limit->value_or(50));
  return ask(call, std::move(*found), std::move(query));
}

Outcome Endpoints::history_version(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  session::HistoryQuery query;
  query.version = call.arguments.at(1);
  query.against = call.request.parameter("against").value_or("");
  if (query.version.empty() || query.version.size() > longest_version || query.against.size() > longest_version) {
    return error_response({404, "unknown_version", "no version has such a name", "GET .../history lists them", ""});
  }
  return ask(call, std::move(*found), std::move(query));
}

Outcome Endpoints::blame(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  session::HistoryQuery query;
  query.cell_id = call.arguments.at(1);
  if (query.cell_id.empty() || query.cell_id.size() > longest_cell_id || !text::valid_utf8(query.cell_id)) {
    return error_response({404, "unknown_cell", "no cell has such an id", "", ""});
  }
  return ask(call, std::move(*found), std::move(query));
}

}  // namespace lectern::api
