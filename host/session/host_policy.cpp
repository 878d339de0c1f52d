#include "session/host_policy.hpp"

#include <optional>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/workers.hpp"
#include "plugin/registry.hpp"
#include "session/policy_renewal.hpp"
#include "session/preparing.hpp"

namespace lectern::session {
namespace {

json::Value row_of(const std::string& id, bool dry_run, const Result<json::Value>& result) {
  json::Value row;
  if (dry_run && result) row = *result;
  row.set("session_id", id);
  row.set("ok", result.has_value());
  if (!result) {
    std::string text;
    json::Writer writer(text);
    write_error(writer, result.error(), true);
    row.set("error", json::Raw{text});
  }
  return row;
}

json::Array all_differences(const json::Array& sessions) {
  json::Array out;
  for (const auto& session : sessions) {
    const auto* rows = session.find("differences");
    if (rows == nullptr || rows->as_array() == nullptr) continue;
    for (json::Value row : *rows->as_array()) {
      row.set("session_id", *session.find("session_id"));
      out.push_back(std::move(row));
    }
  }
  return out;
}

// A session that ended meanwhile has nothing against the choice.
bool has_ended(const Result<json::Value>& result) {
  return !result && result.error().code == "session_not_found";
}

}  // namespace

/// One choice on its way into every session; shared by their answers.
struct HostPolicy::Everywhere {
  PolicyChoice choice;
  Reply<json::Value> reply;
  Task then;
  std::mutex mutex;  // the answers come from several reactors
  json::Array rows;
  std::size_t left = 0, took = 0;
  std::optional<Error> first_error;
};

HostPolicy::HostPolicy(PolicyChoice first, Host host) : host_(std::move(host)), current_{std::move(first), 0} {}

HostPolicy::Current HostPolicy::now() const {
  const std::scoped_lock lock(mutex_);
  return current_;
}

void HostPolicy::swap(PolicyChoice choice, Reply<json::Value> reply) {
  const bool dry_run = choice.dry_run;
  auto job = [self = shared_from_this(), dry_run, choice = std::move(choice), reply = std::move(reply)]() mutable {
    self->everywhere(std::move(choice), std::move(reply), dry_run ? Task([] {}) : Task([self] { self->next(); }));
  };
  if (!dry_run) return line_up(std::move(job));
  host_.workers->submit([token = host_.at_work(), job = std::move(job)]() mutable { job(); });
}

void HostPolicy::everywhere(PolicyChoice choice, Reply<json::Value> reply, Task then) {
  if (auto checked = load_policy(*host_.registry, choice); !checked) {
    reply(fail(checked.error()));
    return then();
  }
  const auto sessions = host_.begun();
  auto all = std::make_shared<Everywhere>();
  all->choice = std::move(choice);
  all->reply = std::move(reply);
  all->then = std::move(then);
  all->left = sessions.size();
  if (sessions.empty()) return answered(*all);
  for (const auto& session : sessions) {
    session->set_policy(all->choice, [self = shared_from_this(), id = session->id(), all](Result<json::Value> result) {
      {
        const std::scoped_lock lock(all->mutex);
        if (!has_ended(result)) all->rows.push_back(row_of(id, all->choice.dry_run, result));
        if (result) ++all->took;
        if (!result && !has_ended(result) && !all->first_error) all->first_error = result.error();
        if (--all->left != 0) return;
      }
      self->answered(*all);
    });
  }
}

void HostPolicy::answered(Everywhere& all) {
  if (all.took == 0 && all.first_error) {
    all.reply(fail(*all.first_error));
    return all.then();
  }
  json::Value out;
  out.set("policy", all.choice.policy);
  out.set("config", json::Raw{all.choice.config.empty() ? "{}" : all.choice.config});
  if (all.choice.dry_run) out.set("differences", all_differences(all.rows));
  out.set("sessions", std::move(all.rows));
  if (!all.choice.dry_run) {
    const std::scoped_lock lock(mutex_);
    current_ = {all.choice, current_.round + 1};
  }
  all.reply(std::move(out));
  all.then();
}

void HostPolicy::renew(std::string id, UniqueFunction<void(json::Array)> done) {
  line_up([self = shared_from_this(), id = std::move(id), done = std::move(done)]() mutable {
    {
      const std::scoped_lock lock(self->mutex_);
      ++self->current_.round;  // what was prepared with the old build catches up
    }
    auto then = [self, done = std::move(done)](json::Array rows) mutable {
      done(std::move(rows));
      self->next();
    };
    std::make_shared<PolicyRenewal>(std::move(id), self->host_.begun(), std::move(then))->next();
  });
}

void HostPolicy::began(SessionPtr session, std::uint64_t round) {
  {
    const std::scoped_lock lock(mutex_);
    if (!busy_ && current_.round == round) return;
  }
  line_up([self = shared_from_this(), session = std::move(session), round] {
    self->now().round == round ? self->next() : self->catch_up(session);
  });
}

void HostPolicy::catch_up(const SessionPtr& session) {
  session->set_policy(now().choice, [self = shared_from_this(), id = session->id()](const Result<json::Value>& result) {
    if (!result && !has_ended(result)) {
      log::warning("policy", "session " + id + " began while the policy was swapped, and keeps the one before: " +
                                 result.error().message);
    }
    self->next();
  });
}

void HostPolicy::line_up(Task job) {
  {
    const std::scoped_lock lock(mutex_);
    line_.push_back(std::move(job));
    if (std::exchange(busy_, true)) return;
  }
  next();
}

void HostPolicy::next() {
  Task job;
  {
    const std::scoped_lock lock(mutex_);
    if (line_.empty()) {
      busy_ = false;
      return;
    }
    job = std::move(line_.front());
    line_.pop_front();
  }
  host_.workers->submit([token = host_.at_work(), job = std::move(job)]() mutable { job(); });
}

}  // namespace lectern::session
