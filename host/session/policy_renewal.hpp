// A policy whose plugin was built anew: every session that runs it goes over to the new build, one after the other,
// with the settings that it has.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "session/session.hpp"

namespace lectern::session {

/// Shared: the sessions' answers hold it.
class PolicyRenewal : public std::enable_shared_from_this<PolicyRenewal> {
 public:
  /// `done` gets a row `{session_id, ok, error?}` for each session that ran the policy `id`.
  PolicyRenewal(std::string id, std::vector<SessionPtr> sessions, UniqueFunction<void(json::Array)> done)
      : id_(std::move(id)), sessions_(std::move(sessions)), done_(std::move(done)) {}

  /// [any] Begins; once.
  void next();

 private:
  void look(const Result<json::Value>& now);
  void record(const Result<json::Value>& reply);

  std::string id_;
  std::vector<SessionPtr> sessions_;
  UniqueFunction<void(json::Array)> done_;
  std::size_t at_ = 0;
  json::Array rows_;
};

}  // namespace lectern::session
