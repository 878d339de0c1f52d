#include "specs.hpp"

#include <algorithm>
#include <set>

#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace gateway {
namespace json = lectern::sdk::json;
namespace {

constexpr std::chrono::seconds good_for{5}, bad_for{1}, patience{2};
constexpr std::size_t most_specs = 1'000, longest_name = 200;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '/'; });
}

}  // namespace

std::vector<Spec> read_specs(std::string_view body, const std::shared_ptr<const Server>& server) {
  std::vector<Spec> out;
  const auto add = [&](std::string_view key, std::string_view value) {
    const auto spec = json::member(value, "spec");
    Spec one;
    one.name = one.remote = json::text(key);
    one.display_name = json::text(json::member(spec, "display_name"));
    one.language = json::text(json::member(spec, "language"));
    one.interrupt_mode = json::text(json::member(spec, "interrupt_mode"));
    if (one.interrupt_mode.empty()) one.interrupt_mode = "signal";
    one.server = server;
    if (is_name(one.name)) out.push_back(std::move(one));
    return out.size() < most_specs;
  };
  if (json::valid(body)) json::each_member(json::member(body, "kernelspecs"), add);
  return out;
}

Specs::Specs(std::vector<std::shared_ptr<const Server>> servers)
    : servers_(std::move(servers)), known_(servers_.size()) {}

std::vector<Spec> Specs::list() {
  std::unique_lock lock(mutex_);
  const bool trouble =
      std::any_of(known_.begin(), known_.end(), [](const Known& known) { return !known.problem.empty(); });
  if (open_ == 0 && Clock::now() - renewed_ > (trouble ? bad_for : good_for)) {
    open_ = servers_.size();
    patience_spent_ = false;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      servers_[i]->io().post([self = shared_from_this(), i] { self->ask(i); });
    }
  }
  // A gateway that keeps silent costs one caller two seconds, not everybody.
  if (!patience_spent_) patience_spent_ = !changed_.wait_for(lock, patience, [this] { return open_ == 0; });
  if (std::none_of(known_.begin(), known_.end(), [](const Known& known) { return known.answered; }) &&
      !servers_.empty()) {
    const auto& problem = known_.front().problem;
    throw lectern::sdk::Failure(
        LECTERN_UNAVAILABLE,
        problem.empty() ? "the gateway at " + servers_.front()->authority() + " has not answered yet" : problem);
  }
  return all();
}

std::vector<Spec> Specs::all() const {
  std::vector<Spec> out;
  std::set<std::string> taken;
  for (const auto& known : known_) {
    for (auto spec : known.specs) {
      if (!taken.insert(spec.name).second) {
        spec.name += "@" + spec.server->authority();
        spec.display_name += " at " + spec.server->authority();
      }
      out.push_back(std::move(spec));
    }
  }
  return out;
}

void Specs::ask(std::size_t which) {
  const auto& server = servers_[which];
  server->ask("GET", "/api/kernelspecs", {}, server->options().request_timeout,
              [self = shared_from_this(), which](const net::Answer& answer) { self->answered(which, answer); });
}

void Specs::answered(std::size_t which, const net::Answer& answer) {
  const std::scoped_lock lock(mutex_);
  auto& known = known_[which];
  if (answer.status == 200) {
    known = {read_specs(answer.body, servers_[which]), {}, true};
  } else {
    known.problem = servers_[which]->why(answer);
  }
  if (--open_ > 0) return;
  renewed_ = Clock::now();
  changed_.notify_all();
}

}  // namespace gateway
