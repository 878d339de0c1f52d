#include <algorithm>
#include <mutex>

#include "api/endpoints.hpp"
#include "api/reload.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

// One reload: swaps the policy in every session that runs it, one after the other, and reports each.
class Reload : public std::enable_shared_from_this<Reload> {
 public:
  Reload(std::string id, std::uint64_t generation, std::vector<session::SessionPtr> live,
         UniqueFunction<void(Result<json::Value>)> done)
      : id_(std::move(id)), generation_(generation), live_(std::move(live)), done_(std::move(done)) {}

  void next() {
    if (at_ == live_.size()) return finish();
    live_[at_]->policy([self = shared_from_this()](Result<json::Value> now) { self->look(now); });
  }

 private:
  void look(const Result<json::Value>& now) {
    const auto* running = now ? now->find("policy") : nullptr;
    if (!running || !running->as_string() || *running->as_string() != id_) {
      ++at_;
      return next();
    }
    session::PolicyChoice choice;
    choice.policy = id_;
    if (const auto* config = now->find("config")) choice.config = json::write(*config);
    live_[at_]->set_policy(std::move(choice),
                           [self = shared_from_this()](const Result<json::Value>& reply) { self->record(reply); });
  }
  void record(const Result<json::Value>& reply) {
    json::Value row;
    row.set("session_id", live_[at_]->id());
    row.set("ok", reply.has_value());
    if (!reply) row.set("error", reply.error().message);
    rows_.push_back(std::move(row));
    ++at_;
    next();
  }
  void finish() {
    json::Value out;
    out.set("id", id_);
    out.set("generation", generation_);
    out.set("sessions", std::move(rows_));
    done_(std::move(out));
  }

  std::string id_;
  std::uint64_t generation_;
  std::vector<session::SessionPtr> live_;
  UniqueFunction<void(Result<json::Value>)> done_;
  std::size_t at_ = 0;
  json::Array rows_;
};

Result<plugin::Kind> kind_of(plugin::Registry& registry, const std::string& id) {
  const auto found = registry.discover();
  const auto it = std::find_if(found.begin(), found.end(), [&](const auto& one) { return one.id == id; });
  if (it == found.end()) {
    return fail(404, "plugin_missing", "no plugin '" + text::label(id, 80) + "' lies in the plugin path",
                "GET /api/v1/plugins lists what was found and where it was looked for");
  }
  if (!it->manifest) return fail(*it->refused);
  return it->manifest->kind;
}

json::Value reloaded(const std::string& id, std::uint64_t generation) {
  json::Value out;
  out.set("id", id);
  out.set("generation", generation);
  out.set("sessions", json::Array{});
  return out;
}

Result<json::Value> row_of(plugin::Registry& registry, const std::string& id) {
  LECTERN_TRY(const auto all, json::parse(registry.report_json()));
  for (const auto& row : *all.find("plugins")->as_array()) {
    const auto* name = row.find("id");
    if (name != nullptr && name->as_string() != nullptr && *name->as_string() == id) return row;
  }
  return fail(404, "plugin_missing", "the plugin '" + id + "' has gone from the plugin path meanwhile",
              "GET /api/v1/plugins lists what was found and where it was looked for");
}

/// A policy says its settings' schema when it is loaded: one that nobody uses is, for the answer only. One in use has
/// said it; to load what lies on disk now would take the place of what runs, and nobody asked for that.
Result<json::Value> plugin_row(plugin::Registry& registry, const std::string& id) {
  LECTERN_TRY(const auto kind, kind_of(registry, id));
  LECTERN_TRY(auto row, row_of(registry, id));
  const auto* generations = row.find("generations")->as_array();
  if (kind != plugin::Kind::policy || !generations->empty()) return row;
  LECTERN_TRY(const auto held, registry.load(kind, id));
  return row_of(registry, id);
}

}  // namespace

void reload_plugin(const Parts& parts, const std::string& id, UniqueFunction<void(Result<json::Value>)> done) {
  const auto kind = kind_of(*parts.registry, id);
  if (!kind) return done(fail(kind.error()));
  if (*kind == plugin::Kind::transport || *kind == plugin::Kind::presence) {
    return done(fail(409, "not_reloadable",
                     "'" + id + "' is a " + std::string(plugin::kind_name(*kind)) +
                         ", which serves from the start of the server to its end",
                     "restart the server to load the new one"));
  }
  if (*kind == plugin::Kind::runtime) {
    const auto generation = parts.renew_runtime ? parts.renew_runtime(id) : fail(503, "no_runtime_plugin", "none runs");
    if (!generation) return done(fail(generation.error()));
    parts.host_events->changed("plugins-changed");
    return done(reloaded(id, *generation));
  }
  const auto generation = parts.registry->load(*kind, id);
  if (!generation) return done(fail(generation.error()));
  parts.host_events->changed("plugins-changed");
  if (*kind == plugin::Kind::format) return done(reloaded(id, (*generation)->number()));
  std::make_shared<Reload>(id, (*generation)->number(), parts.directory->sessions(), std::move(done))->next();
}

Outcome Endpoints::show_plugin(Call call) {
  return Deferred{[this, id = call.arguments.at(0)](Respond respond) mutable {
                    parts_.workers->submit([this, id = std::move(id), respond = std::move(respond)]() mutable {
                      const auto row = plugin_row(*parts_.registry, id);
                      if (!row) return respond(error_response(row.error()));
                      answer(respond, 200, *row);
                    });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::reload_plugin(Call call) {
  return Deferred{[this, id = call.arguments.at(0)](Respond respond) mutable {
                    parts_.workers->submit([this, id = std::move(id), respond = std::move(respond)]() mutable {
                      api::reload_plugin(parts_, id,
                                         [respond = std::move(respond)](Result<json::Value> result) mutable {
                                           if (!result) return respond(error_response(result.error()));
                                           answer(respond, 200, *result);
                                         });
                    });
                  },
                  call.route->deadline_ms};
}

}  // namespace lectern::api
