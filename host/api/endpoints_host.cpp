// What concerns the whole host: liveness, info, figures, specs, plugins, presence, blobs, the page.
#include <algorithm>
#include <map>
#include <mutex>

#include "api/endpoints.hpp"
#include "api/spec.hpp"
#include "api/strangers.hpp"
#include "api/url.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "document/notebook_file.hpp"

namespace lectern::api {
namespace {

// Collects one answer per session, then calls `done` with all of them; answers come on several reactors.
template <class T>
class Gather {
 public:
  Gather(std::size_t expected, UniqueFunction<void(std::vector<T>)> done)
      : expected_(expected), done_(std::move(done)) {}
  void add(std::optional<T> value) {
    std::unique_lock lock(mutex_);
    if (value) values_.push_back(std::move(*value));
    if (++seen_ < expected_) return;
    auto values = std::move(values_);
    lock.unlock();
    done_(std::move(values));
  }

 private:
  std::mutex mutex_;
  std::size_t expected_, seen_ = 0;
  std::vector<T> values_;
  UniqueFunction<void(std::vector<T>)> done_;
};

struct SessionFigure {
  std::string_view name;  // in a session's description
  std::string_view metric, help;
};
constexpr SessionFigure session_figures[] = {
    {"commands", "commands_total", "Commands that came."},
    {"refused", "commands_refused_total", "Commands and submitted changes that were refused."},
    {"dropped", "commands_dropped_total", "Frames that became no command: malformed, or on a closing connection."},
    {"policy_faults", "policy_faults_total", "Decisions of policies that never came or broke the contract."},
    {"policy_fallbacks", "policy_fallbacks_total", "Times a session put its last good policy back."},
    {"effects_refused", "policy_effects_refused_total", "Decisions of policies that broke a rule of the room."},
    {"grants", "grants_total", "Grants of the right to edit."},
    {"resyncs", "resyncs_total", "Consumers that were too slow and got a fresh snapshot."},
    {"too_slow", "consumers_closed_too_slow_total", "Consumers that were closed for staying too slow."},
    {"queue_bytes", "queue_bytes", "Bytes that wait for the sockets of consumers."},
    {"longest_queue_bytes", "longest_queue_bytes", "The most bytes that wait for one consumer."},
};

double number_of(const json::Value* object, std::string_view name) {
  const auto* value = object == nullptr ? nullptr : object->find(name);
  return value == nullptr ? 0 : value->as_double().value_or(0);
}

// Counters must not fall when a session ends, so those of ended ones go in too.
std::map<std::string_view, double> sums(const session::Counters& ended, const std::vector<json::Value>& live) {
  std::map<std::string_view, double> sum;
  for (const auto& figure : session_figures) sum[figure.name] = 0;
  const auto add = [&](std::string_view name, std::uint64_t value) { sum[name] += static_cast<double>(value); };
  add("commands", ended.commands);
  add("refused", ended.refused);
  add("dropped", ended.dropped);
  add("effects_refused", ended.effects_refused);
  add("policy_faults", ended.policy_faults);
  add("policy_fallbacks", ended.policy_fallbacks);
  add("grants", ended.takeovers);
  add("resyncs", ended.resyncs);
  add("too_slow", ended.too_slow);
  for (const auto& one : live) {
    const auto* counters = one.find("counters");
    for (const auto& figure : session_figures) sum[figure.name] += number_of(counters, figure.name);
    sum["queue_bytes"] += number_of(&one, "queue_bytes");
    sum["longest_queue_bytes"] = std::max(sum["longest_queue_bytes"], number_of(&one, "longest_queue_bytes"));
  }
  return sum;
}

Response metrics_response(const Metrics& metrics, const std::vector<Metrics::Figure>& figures) {
  Response response;
  response.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}, {"Cache-Control", "no-store"}};
  response.body = metrics.text(figures);
  return response;
}

Response shared_json(const std::shared_ptr<const std::string>& text) {
  auto response = json_response(200, {});
  response.shared_body = text;
  return response;
}

bool hex_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Response blob_response(const Parts::Blob& blob, const std::string& sha256, const std::string* known) {
  Response response;
  response.headers = {{"Content-Type", blob.media_type.empty() ? "application/octet-stream" : blob.media_type},
                      {"Cache-Control", "private, max-age=31536000, immutable"},
                      {"ETag", "\"" + sha256 + "\""},
                      {"Referrer-Policy", "no-referrer"}};
  for (const auto& [name, value] : strangers_guard) response.headers.emplace_back(name, value);
  if (known != nullptr && names_etag(*known, "\"" + sha256 + "\"")) {
    response.status = 304;
  } else {
    response.shared_body = blob.bytes;
  }
  return response;
}

json::Value limits_json(const document::FileLimits& file) {
  json::Value out;
  out.set("notebook_bytes", file.max_bytes);
  out.set("notebook_cells", file.max_cells);
  out.set("notebook_depth", std::uint64_t{file.max_depth});
  out.set("cell_bytes", file.max_source_bytes);
  const auto body_of = [](std::string_view path) { return match_route("POST", path).route->max_body; };
  out.set("command_bytes", body_of("/api/v1/sessions/s/commands/save"));
  out.set("upload_bytes", body_of("/api/v1/files/content"));
  out.set("message_bytes", std::size_t{16u << 20});
  return out;
}

}  // namespace

std::string_view host_version() {
  return LECTERN_VERSION;
}

Outcome Endpoints::health(Call) {
  return json_response(200, R"({"status":"ok"})");
}

Outcome Endpoints::metrics(Call call) {
  const auto live = parts_.directory->sessions();
  std::uint64_t consumers = 0;
  for (const auto& row : parts_.directory->list()) consumers += row.members;
  std::vector<Metrics::Figure> figures = {
      {"sessions", "Live sessions.", static_cast<double>(live.size())},
      {"consumers", "Members of all rooms.", static_cast<double>(consumers)},
  };
  if (parts_.figures) {
    for (auto& figure : parts_.figures()) figures.push_back(std::move(figure));
  }
  auto finish = [this, figures = std::move(figures),
                 plugins = parts_.registry->metrics_text()](const std::vector<json::Value>& descriptions) mutable {
    const auto sum = sums(parts_.directory->ended_counters(), descriptions);
    for (const auto& figure : session_figures) {
      figures.push_back({std::string(figure.metric), std::string(figure.help), sum.at(figure.name)});
    }
    auto response = metrics_response(*parts_.metrics, figures);
    response.body += plugins;
    return response;
  };
  if (live.empty()) return finish({});
  return Deferred{[live, finish = std::move(finish)](Respond respond) mutable {
                    auto gather = std::make_shared<Gather<json::Value>>(
                        live.size(), [finish = std::move(finish), respond = std::move(respond)](
                                         const auto& descriptions) mutable { respond(finish(descriptions)); });
                    for (const auto& session : live) {
                      session->describe([gather](Result<json::Value> reply) {
                        gather->add(reply ? std::optional(std::move(*reply)) : std::nullopt);
                      });
                    }
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::info(Call call) {
  json::Value token;
  token.set("scope", scope_name(call.scope));
  if (!call.session.empty()) token.set("session_id", call.session);
  return Deferred{[this, token = std::move(token)](Respond respond) mutable {
                    parts_.workers->submit([this, token = std::move(token), respond = std::move(respond)]() mutable {
                      json::Value out;
                      out.set("token", std::move(token));
                      out.set("version", host_version());
                      out.set("protocol", "lectern.v1");
                      out.set("device_name", parts_.device_name);
                      out.set("started_at", started_at_);
                      out.set("root", parts_.paths->root());
                      json::Array plugins;
                      for (const auto& report : parts_.registry->report()) {
                        json::Value row;
                        row.set("id", report.found.id);
                        if (report.found.manifest) {
                          row.set("kind", plugin::kind_name(report.found.manifest->kind));
                          row.set("version", report.found.manifest->version);
                        }
                        row.set("state", report.found.refused ? std::string_view("refused")
                                         : report.generations.empty()
                                             ? std::string_view("found")
                                             : plugin::state_name(report.generations.back().state));
                        plugins.push_back(std::move(row));
                      }
                      out.set("plugins", std::move(plugins));
                      const auto policy = parts_.directory->default_policy();
                      json::Value policy_out;
                      policy_out.set("policy", policy.policy);
                      policy_out.set("config", json::Raw{policy.config});
                      out.set("policy", std::move(policy_out));
                      out.set("runtimes", parts_.runtimes ? parts_.runtimes() : json::Value(json::Array{}));
                      out.set("limits", limits_json(parts_.file_limits));
                      answer(respond, 200, out);
                    });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::openapi(Call) {
  const std::lock_guard lock(specs_mutex_);
  if (!openapi_) openapi_ = std::make_shared<const std::string>(openapi_document());
  return shared_json(openapi_);
}

Outcome Endpoints::asyncapi(Call) {
  const std::lock_guard lock(specs_mutex_);
  if (!asyncapi_) asyncapi_ = std::make_shared<const std::string>(asyncapi_document());
  return shared_json(asyncapi_);
}

Outcome Endpoints::list_plugins(Call call) {
  return Deferred{[this](Respond respond) mutable {
                    parts_.workers->submit([this, respond = std::move(respond)]() mutable {
                      respond(json_response(200, parts_.registry->report_json()));
                    });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::presence(Call) {
  auto body = parts_.presence();
  return body ? json_response(200, std::move(*body)) : error_response(body.error());
}

Outcome Endpoints::blob(Call call) {
  auto sha256 = call.arguments.at(0);
  const auto missing = [](const std::string& name) {
    return Error{404, "blob_not_found", "no live session shows a blob '" + text::label(name, 70) + "'",
                 "blobs are named by the sha256 of their bytes, in lower-case hex", ""};
  };
  if (!hex_digest(sha256)) return error_response(missing(sha256));
  auto live = parts_.directory->sessions();
  if (!call.session.empty()) {
    std::erase_if(live, [&call](const auto& one) { return one->id() != call.session; });
  }
  if (live.empty() && parts_.attached == nullptr) return error_response(missing(sha256));
  const int deadline_ms = call.route->deadline_ms;
  return Deferred{
      [this, live, sha256, missing, call = std::make_shared<const Call>(std::move(call))](Respond respond) mutable {
        if (live.empty()) return relay_blob(*call, std::move(respond), missing(sha256));
        auto gather = std::make_shared<Gather<bool>>(
            live.size(), [this, sha256, missing, call, respond = std::move(respond)](std::vector<bool> shown) mutable {
              if (std::find(shown.begin(), shown.end(), true) == shown.end()) {
                return relay_blob(*call, std::move(respond), missing(sha256));
              }
              parts_.workers->submit([this, sha256, call, respond = std::move(respond)]() mutable {
                auto found = parts_.blob(sha256);
                const auto* known = call->request.header("If-None-Match");
                respond(found ? blob_response(*found, sha256, known) : error_response(found.error()));
              });
            });
        for (const auto& session : live) {
          session->has_blob(
              sha256, [gather](Result<bool> reply) { gather->add(reply ? std::optional(*reply) : std::nullopt); });
        }
      },
      deadline_ms};
}

Outcome Endpoints::page(Call call) {
  return Deferred{
      [this, request = std::move(call.request)](Respond respond) mutable {
        parts_.workers->submit([this, request = std::move(request), respond = std::move(respond)]() mutable {
          auto file = static_files_.get(request.path, request);
          respond(file ? std::move(*file) : error_response(file.error()));
        });
      },
      call.route->deadline_ms};
}

}  // namespace lectern::api
