#include <algorithm>

#include "api/endpoints.hpp"
#include "api/reload.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

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

json::Value reloaded(const std::string& id, std::uint64_t generation, json::Array sessions = {}) {
  json::Value out;
  out.set("id", id);
  out.set("generation", generation);
  out.set("sessions", std::move(sessions));
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
  parts.directory->renew_policy(
      id, [id, number = (*generation)->number(), done = std::move(done)](json::Array sessions) mutable {
        done(reloaded(id, number, std::move(sessions)));
      });
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
