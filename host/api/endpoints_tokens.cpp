// Scoped tokens: made, listed, revoked.
#include "api/endpoints.hpp"
#include "base/clock.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

constexpr std::uint64_t longest_life_ms = 10ull * 366 * 24 * 3'600'000;

Result<NewToken> new_token(const json::Value& body) {
  const json::Fields fields(body, "body");
  // A narrowing that is passed over would make a token for everything.
  LECTERN_CHECK(fields.only({"scope", "name", "session_id", "expires_ms"}));
  NewToken out;
  LECTERN_TRY(const auto scope, fields.string("scope"));
  const auto known = scope_of_name(scope);
  if (!known) {
    return fail(json::error_at("body.scope", " is \"" + text::label(scope, 40) + "\"",
                               "it can be view, interact, edit or admin"));
  }
  out.scope = *known;
  LECTERN_TRY(auto name, fields.optional_string("name"));
  LECTERN_TRY(auto session, fields.optional_string("session_id"));
  LECTERN_TRY(const auto life, fields.optional_unsigned("expires_ms"));
  if (life && (*life == 0 || *life > longest_life_ms)) {
    return fail(json::error_at("body.expires_ms", " must be between 1 and " + std::to_string(longest_life_ms)));
  }
  out.name = name.value_or("");
  out.session = session.value_or("");
  out.life_ms = static_cast<std::int64_t>(life.value_or(0));
  if (out.scope == Scope::admin && !out.session.empty()) {
    return fail(
        json::error_at("body.session_id", " is not for an admin token: that may do what concerns the whole host"));
  }
  return out;
}

}  // namespace

Outcome Endpoints::list_tokens(Call) {
  json::Array rows;
  for (const auto& record : parts_.tokens->list()) rows.push_back(record.to_json());
  json::Value out;
  out.set("tokens", std::move(rows));
  return json_response(200, json::write(out));
}

Outcome Endpoints::mint_token(Call call) {
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  auto wanted = new_token(*body);
  if (!wanted) return error_response(wanted.error());
  const auto is_here = [this](const std::string& session) {
    return parts_.directory->find(session) || (parts_.attached != nullptr && parts_.attached->find(session));
  };
  if (!wanted->session.empty() && !is_here(wanted->session)) {
    return error_response({404, "session_not_found",
                           "there is no live session '" + text::label(wanted->session, 80) + "', nor is one attached",
                           "GET /api/v1/sessions lists them", ""});
  }
  const int deadline = call.route->deadline_ms;
  return Deferred{[this, wanted = std::move(*wanted)](Respond respond) mutable {
                    parts_.workers->submit([this, wanted = std::move(wanted), respond = std::move(respond)]() mutable {
                      auto minted = parts_.tokens->mint(wanted, clock::wall_ms());
                      if (!minted) return respond(error_response(minted.error()));
                      parts_.tokens_changed();
                      auto out = minted->record.to_json();
                      out.set("token", minted->text);
                      auto response = json_response(201, json::write(out));
                      response.headers.emplace_back("Cache-Control", "no-store");
                      respond(std::move(response));
                    });
                  },
                  deadline};
}

Outcome Endpoints::revoke_token(Call call) {
  const int deadline = call.route->deadline_ms;
  return Deferred{[this, id = call.arguments.at(0)](Respond respond) mutable {
                    parts_.workers->submit([this, id = std::move(id), respond = std::move(respond)]() mutable {
                      const auto known = parts_.tokens->list();
                      auto revoked = parts_.tokens->revoke(id);
                      if (!revoked && revoked.error().code == "tokens_locked") {
                        return respond(error_response(revoked.error()));
                      }
                      // Void in memory even when the disk failed: whoever runs under it goes in either case.
                      for (const auto& record : known) {
                        if (record.id != id) continue;
                        parts_.end_principal(record.principal());
                      }
                      parts_.tokens_changed();
                      if (!revoked) return respond(error_response(revoked.error()));
                      Response response;
                      response.status = 204;
                      respond(std::move(response));
                    });
                  },
                  deadline};
}

}  // namespace lectern::api
