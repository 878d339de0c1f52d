// Reloading a policy from its folder while people work.
#include <algorithm>
#include <mutex>

#include "api/endpoints.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

// One reload: swaps the policy in every session that runs it, one after the other, and reports each.
class Reload : public std::enable_shared_from_this<Reload> {
 public:
  Reload(std::string id, std::uint64_t generation, std::vector<session::SessionPtr> live, Respond respond)
      : id_(std::move(id)), generation_(generation), live_(std::move(live)), respond_(std::move(respond)) {}

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
    answer(respond_, 200, out);
  }

  std::string id_;
  std::uint64_t generation_;
  std::vector<session::SessionPtr> live_;
  Respond respond_;
  std::size_t at_ = 0;
  json::Array rows_;
};

Result<plugin::GenerationPtr> load_policy(plugin::Registry& registry, const std::string& id) {
  const auto found = registry.discover();
  const auto it = std::find_if(found.begin(), found.end(), [&](const auto& one) { return one.id == id; });
  if (it == found.end()) {
    return fail(404, "plugin_missing", "no plugin '" + text::label(id, 80) + "' lies in the plugin path",
                "GET /api/v1/plugins lists what was found and where it was looked for");
  }
  if (it->manifest && it->manifest->kind != plugin::Kind::policy) {
    return fail(409, "not_reloadable",
                "'" + id + "' is a " + std::string(plugin::kind_name(it->manifest->kind)) +
                    "; this server reloads policies only",
                "restart the server to load the new one");
  }
  return registry.load(plugin::Kind::policy, id);
}

}  // namespace

Outcome Endpoints::reload_plugin(Call call) {
  return Deferred{[this, id = call.arguments.at(0)](Respond respond) mutable {
                    parts_.workers->submit([this, id = std::move(id), respond = std::move(respond)]() mutable {
                      auto generation = load_policy(*parts_.registry, id);
                      if (!generation) return respond(error_response(generation.error()));
                      parts_.host_events->changed("plugins-changed");
                      std::make_shared<Reload>(id, (*generation)->number(), parts_.directory->sessions(),
                                               std::move(respond))
                          ->next();
                    });
                  },
                  call.route->deadline_ms};
}

}  // namespace lectern::api
