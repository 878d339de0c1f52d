// Sessions, their clients, documents, commands, takeovers and policies.

#include "api/endpoints.hpp"
#include "api/url.hpp"
#include "base/clock.hpp"
#include "base/number.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

Deferred later(const Call& call, UniqueFunction<void(Respond)> start) {
  return {std::move(start), call.route->deadline_ms};
}

session::Reply<session::CommandReply> to_response(Respond respond) {
  return [respond = std::move(respond)](Result<session::CommandReply> reply) mutable {
    respond(reply ? json_response(reply->status, std::move(reply->json)) : error_response(reply.error()));
  };
}

session::Reply<json::Value> to_json(Respond respond) {
  return [respond = std::move(respond)](Result<json::Value> reply) mutable { answer(respond, 200, reply); };
}

// A swap may load one generation of a plugin and drain another.
session::Reply<json::Value> to_json_after_swap(HostEvents& events, Respond respond) {
  return [&events, respond = std::move(respond)](Result<json::Value> reply) mutable {
    if (reply) events.changed("plugins-changed");
    answer(respond, 200, reply);
  };
}

json::Value summary(const session::SessionSummary& row) {
  json::Value out;
  out.set("session_id", row.session_id);
  out.set("notebook_id", row.notebook_id);
  out.set("path", row.path);
  out.set("title", row.title);
  out.set("format", row.format);
  out.set("runtime", row.runtime);
  out.set("kernel_state", row.kernel_state);
  out.set("editor", row.editor_label.empty() ? json::Value() : json::Value(row.editor_label));
  out.set("epoch", row.epoch);
  out.set("members", row.members);
  out.set("cell_count", row.cell_count);
  out.set("started_at", clock::rfc3339(row.started_ms));
  out.set("updated_at", clock::rfc3339(row.updated_ms));
  out.set("needs_input", row.needs_input);
  out.set("running", row.running);
  json::Value resources;
  if (row.kernel) {
    resources.set("rss", row.kernel->rss);
    resources.set("cpu_percent", row.kernel->cpu_percent);
    resources.set("processes", static_cast<std::uint64_t>(row.kernel->processes));
  }
  out.set("resources", std::move(resources));
  return out;
}

std::string etag_of(const std::vector<std::string>& heads) {
  std::string out = "\"";
  for (const auto& head : heads) {
    if (out.size() > 1) out += '.';
    out += head;
  }
  return out + '"';
}

Response document_response(session::DocumentBytes document, const std::string& known) {
  Response response;
  response.headers = {{"Content-Type", "application/octet-stream"},
                      {"ETag", etag_of(document.heads)},
                      {"Cache-Control", "no-cache"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Content-Disposition", "attachment; filename=\"notebook.automerge\""}};
  if (names_etag(known, response.headers[1].second)) {
    response.status = 304;
  } else {
    response.shared_body = std::make_shared<const std::string>(std::move(document.bytes));
  }
  return response;
}

Result<session::PolicyChoice> policy_choice(const Request& request) {
  LECTERN_TRY(const auto body, body_object(request));
  const json::Fields fields(body, "body");
  session::PolicyChoice choice;
  LECTERN_TRY(choice.policy, fields.string("policy"));
  LECTERN_TRY(choice.dry_run, fields.boolean_or("dry_run", false));
  if (fields.has("watch_ms")) {
    LECTERN_TRY(const auto watch_ms, fields.unsigned_integer("watch_ms"));
    constexpr std::uint64_t most = 20'000;
    if (!choice.dry_run || watch_ms > most) {
      return fail(json::error_at("body.watch_ms", " is for a dry run and at most " + std::to_string(most)));
    }
    choice.watch_ms = static_cast<int>(watch_ms);
  }
  if (fields.has("config")) {
    LECTERN_TRY(const auto* config, fields.object("config"));
    choice.config = json::write(*config);
  }
  return choice;
}

json::Value policy_json(const session::PolicyChoice& choice) {
  json::Value out;
  out.set("policy", choice.policy);
  out.set("config", json::Raw{choice.config.empty() ? "{}" : choice.config});
  return out;
}

}  // namespace

json::Value session_list(const session::Directory& directory, const Attached* attached, const std::string& only) {
  json::Array rows;
  for (const auto& row : directory.list()) {
    if (only.empty() || row.session_id == only) rows.push_back(summary(row));
  }
  if (attached != nullptr) {
    for (auto& row : attached->rows()) {
      const auto id = json::string_or_empty(row, "session_id");
      if ((only.empty() || id == only) && !directory.find(id)) rows.push_back(std::move(row));
    }
  }
  json::Value out;
  out.set("sessions", std::move(rows));
  return out;
}

Outcome Endpoints::list_sessions(Call call) {
  return json_response(200, json::write(session_list(*parts_.directory, parts_.attached, call.session)));
}

Outcome Endpoints::show_session(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  auto url = connect_url(call.request, (*found)->id());
  return later(call, [session = *found, url = std::move(url)](Respond respond) {
    session->describe([respond = std::move(respond), url](Result<json::Value> reply) mutable {
      if (reply) reply->set("connect_url", url);
      answer(respond, 200, reply);
    });
  });
}

Outcome Endpoints::end_session(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  return later(call, [this, id = (*found)->id()](Respond respond) {
    parts_.directory->end(id, "SESSION_ENDED", [respond = std::move(respond)](Result<bool> reply) mutable {
      if (!reply) return respond(error_response(reply.error()));
      Response response;
      response.status = 204;
      respond(std::move(response));
    });
  });
}

Outcome Endpoints::make_client(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  const json::Fields fields(*body, "body");
  auto label = fields.optional_string("label");
  auto kind = fields.optional_string("kind");
  auto view_only = fields.boolean_or("view_only", false);
  if (!label) return error_response(label.error());
  if (!kind) return error_response(kind.error());
  if (!view_only) return error_response(view_only.error());
  session::NewClient client;
  client.label = text::label(label->value_or(""), 80);
  client.kind = text::label(kind->value_or("program"), 40);
  client.view_only = *view_only;
  client.scope = scope_bits(call.scope);
  client.principal = call.principal;
  client.device = device_of(call);
  // Asked again on the session's reactor, where a revocation comes before this or finds the client on its way.
  return later(call, [this, session = *found, client = std::move(client), scope = call.scope](Respond respond) mutable {
    auto issue = [this, id = session->id(), respond = std::move(respond)](Result<session::CommandReply> reply) mutable {
      if (!reply) return respond(error_response(reply.error()));
      auto body_out = json::parse(reply->json);
      const auto* made = body_out ? body_out->find("client") : nullptr;
      const auto* client_id = made && made->find("id") ? made->find("id")->as_string() : nullptr;
      const auto* secret = made && made->find("secret") ? made->find("secret")->as_string() : nullptr;
      if (!client_id || !secret) return respond(json_response(reply->status, std::move(reply->json)));
      body_out->set("ticket", tickets_.issue(id, *client_id + "." + *secret, clock::now_ms()));
      respond(json_response(reply->status, json::write(*body_out)));
    };
    auto& loop = session->loop();
    loop.dispatch([this, session, client = std::move(client), scope, issue = std::move(issue)]() mutable {
      if (!lives(client.principal, scope)) {
        return issue(fail(token_ended()));
      }
      session->make_client(std::move(client), std::move(issue));
    });
  });
}

Outcome Endpoints::document(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  const auto* known = call.request.header("If-None-Match");
  return later(call, [session = *found, etag = known ? *known : std::string()](Respond respond) {
    session->document([respond = std::move(respond), etag](Result<session::DocumentBytes> reply) mutable {
      respond(reply ? document_response(std::move(*reply), etag) : error_response(reply.error()));
    });
  });
}

Outcome Endpoints::run_command(Call call, std::string name) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  session::CommandRequest request;
  auto key = client_key(call, (*found)->id());
  if (!key) return error_response(key.error());
  request.client_key = std::move(*key);
  request.name = std::move(name);
  if (const auto* epoch = call.request.header("Lectern-Epoch")) {
    request.epoch = text::number<std::uint64_t>(*epoch);
    if (!request.epoch) {
      return error_response(json::error_at("Lectern-Epoch", ", the header, must be a non-negative integer"));
    }
  }
  if (const auto* id = call.request.header("Idempotency-Key")) {
    if (id->empty() || id->size() > 200) {
      return error_response(json::error_at("Idempotency-Key", ", the header, must have 1 to 200 characters"));
    }
    request.id = *id;
  }
  request.body = std::move(*body);
  request.scope = scope_bits(call.scope);
  request.principal = call.principal;
  return later(call, [session = *found, request = std::move(request)](Respond respond) mutable {
    session->command(std::move(request), to_response(std::move(respond)));
  });
}

Outcome Endpoints::command(Call call) {
  auto name = call.arguments.at(1);
  return run_command(std::move(call), std::move(name));
}

Outcome Endpoints::takeover(Call call) {
  return run_command(std::move(call), "takeover");
}

Outcome Endpoints::takeover_status(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  auto key = client_key(call, (*found)->id());
  if (!key) return error_response(key.error());
  const auto request_id = text::number<std::uint64_t>(call.arguments.at(1));
  if (!request_id) {
    return error_response(
        {404, "unknown_request", "there is no takeover request '" + text::label(call.arguments[1], 40) + "'", "", ""});
  }
  const auto wait = text::number<int>(call.request.parameter("wait_ms").value_or("0"));
  if (!wait || *wait < 0 || *wait > 60'000) {
    return error_response(json::error_at("wait_ms", " must be an integer from 0 to 60000"));
  }
  return later(call, [session = *found, key = std::move(*key), id = *request_id, ms = *wait](Respond respond) mutable {
    session->takeover_status(std::move(key), id, ms, to_response(std::move(respond)));
  });
}

Outcome Endpoints::show_default_policy(Call) {
  return json_response(200, json::write(policy_json(parts_.directory->default_policy())));
}

Outcome Endpoints::set_default_policy(Call call) {
  auto choice = policy_choice(call.request);
  if (!choice) return error_response(choice.error());
  return later(call, [this, choice = std::move(*choice)](Respond respond) mutable {
    parts_.directory->set_policy(std::move(choice), to_json_after_swap(*parts_.host_events, std::move(respond)));
  });
}

Outcome Endpoints::show_policy(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  return later(call, [session = *found](Respond respond) { session->policy(to_json(std::move(respond))); });
}

Outcome Endpoints::set_policy(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  auto choice = policy_choice(call.request);
  if (!choice) return error_response(choice.error());
  return later(call,
               [events = parts_.host_events, session = *found, choice = std::move(*choice)](Respond respond) mutable {
                 session->set_policy(std::move(choice), to_json_after_swap(*events, std::move(respond)));
               });
}

Outcome Endpoints::policy_record(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  return later(call, [session = *found](Respond respond) {
    session->policy_recording([respond = std::move(respond)](Result<std::string> lines) mutable {
      if (!lines) return respond(error_response(lines.error()));
      Response response;
      response.headers = {{"Content-Type", "application/jsonl"}, {"Cache-Control", "no-store"}};
      response.body = std::move(*lines);
      respond(std::move(response));
    });
  });
}

}  // namespace lectern::api
