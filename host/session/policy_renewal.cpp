#include "session/policy_renewal.hpp"

#include <utility>

namespace lectern::session {

void PolicyRenewal::next() {
  if (at_ == sessions_.size()) return done_(std::move(rows_));
  sessions_[at_]->policy([self = shared_from_this()](const Result<json::Value>& now) { self->look(now); });
}

void PolicyRenewal::look(const Result<json::Value>& now) {
  if (!now || json::string_or_empty(*now, "policy") != id_) {
    ++at_;
    return next();
  }
  PolicyChoice choice;
  choice.policy = id_;
  if (const auto* config = now->find("config")) choice.config = json::write(*config);
  sessions_[at_]->set_policy(std::move(choice),
                             [self = shared_from_this()](const Result<json::Value>& reply) { self->record(reply); });
}

void PolicyRenewal::record(const Result<json::Value>& reply) {
  json::Value row;
  row.set("session_id", sessions_[at_]->id());
  row.set("ok", reply.has_value());
  if (!reply) row.set("error", reply.error().message);
  rows_.push_back(std::move(row));
  ++at_;
  next();
}

}  // namespace lectern::session
