// Opening and creating notebooks.
#include "api/endpoints.hpp"

namespace lectern::api {
namespace {

// Dialling twice, and asking what was made.
constexpr int time_to_attach_ms = 15'000;

session::Reply<session::SessionPtr> to_connection_info(Respond respond, Request request, int status) {
  return
      [respond = std::move(respond), request = std::move(request), status](Result<session::SessionPtr> reply) mutable {
        if (!reply) return respond(error_response(reply.error()));
        respond(json_response(status, json::write(connection_info((*reply)->connection_info(), request))));
      };
}

Result<session::CreateRequest> create_request(const json::Value& body) {
  const json::Fields fields(body, "body");
  session::CreateRequest request;
  LECTERN_TRY(request.runtime, fields.string("runtime"));
  LECTERN_TRY(const auto working_dir, fields.optional_string("working_dir"));
  LECTERN_TRY(const auto path, fields.optional_string("path"));
  LECTERN_TRY(const auto package_manager, fields.optional_string("package_manager"));
  request.working_dir = working_dir.value_or("");
  request.path = path.value_or("");
  request.package_manager = package_manager.value_or("");
  if (fields.has("dependencies")) {
    LECTERN_TRY(request.dependencies, fields.strings("dependencies"));
  }
  LECTERN_TRY(request.ephemeral, fields.boolean_or("ephemeral", false));
  return request;
}

}  // namespace

// A token that may not open files, or not others than its session's, finds what is open already: the link that was
// handed out names a path, as every link of the page does.
Outcome Endpoints::open_live(Call call, const std::string& path) {
  const auto where = parts_.paths->resolve(path);
  if (!where) return error_response(where.error());
  for (const auto& session : parts_.directory->sessions()) {
    const auto info = session->connection_info();
    if (info.path != where->path && info.path != where->relative) continue;
    if (!call.session.empty() && session->id() != call.session) continue;
    return json_response(200, json::write(connection_info(info, call.request)));
  }
  return error_response({403, "not_open", "this token may only join notebooks that are open, and this one is not",
                         "ask whoever handed out the token to open the notebook", ""});
}

Outcome Endpoints::open_notebook(Call call) {
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  const json::Fields fields(*body, "body");
  auto path = fields.string("path");
  if (!path) return error_response(path.error());
  const auto watch = fields.boolean_or("watch", false);
  if (!watch) return error_response(watch.error());
  const auto create = fields.boolean_or("create", true);
  if (!create) return error_response(create.error());
  if (call.scope < Scope::edit || !call.session.empty()) return open_live(std::move(call), *path);
  const int deadline = call.route->deadline_ms;
  const session::OpenHow how{*watch, *create};
  return Deferred{[this, path = std::move(*path), request = std::move(call.request), how](Respond respond) mutable {
                    parts_.directory->open(std::move(path),
                                           to_connection_info(std::move(respond), std::move(request), 200), how);
                  },
                  deadline};
}

Outcome Endpoints::create_notebook(Call call) {
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  auto create = create_request(*body);
  if (!create) return error_response(create.error());
  const int deadline = call.route->deadline_ms;
  return Deferred{[this, create = std::move(*create), request = std::move(call.request)](Respond respond) mutable {
                    parts_.directory->create(std::move(create),
                                             to_connection_info(std::move(respond), std::move(request), 201));
                  },
                  deadline};
}

/// Its path, folder and runtime are the other host's to judge; what is no request at all is refused here.
Outcome Endpoints::create_elsewhere(Call call) {
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  if (auto create = create_request(*body); !create) return error_response(create.error());
  if (parts_.attached == nullptr) {
    return error_response({404, "remote_device_not_found", "this host knows of no other devices", "", ""});
  }
  Forwarded there;
  there.method = "POST";
  there.target = "/api/v1/notebooks/create";
  there.headers = {{"Content-Type", "application/json"}};
  there.body = json::write(*body);
  there.scope = scope_name(call.scope);
  there.deadline_ms = call.route->deadline_ms - time_to_attach_ms;
  const int deadline = call.route->deadline_ms;
  return Deferred{[this, id = call.arguments.at(0), there = std::move(there),
                   request = std::move(call.request)](Respond respond) mutable {
                    parts_.attached->create(
                        std::move(id), std::move(there),
                        [respond = std::move(respond), request = std::move(request)](Result<json::Value> info) mutable {
                          const auto* session = info ? info->find("session_id") : nullptr;
                          if (session != nullptr && session->is_string()) {
                            info->set("connect_url", connect_url(request, *session->as_string()));
                          }
                          answer(respond, 201, info);
                        });
                  },
                  deadline};
}

}  // namespace lectern::api
