#include "session/trust.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/workers.hpp"
#include "session/dependencies.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"
#include "session/trust_store.hpp"

namespace lectern::session {

void Trust::look_at(std::string_view metadata_json) {
  auto found = dependencies_of(metadata_json);
  if (found == dependencies_) return;
  dependencies_ = std::move(found);
  tell();
}

bool Trust::needs_approval() const {
  return !session_.services().trust->unapproved(dependencies_).empty();
}

std::string Trust::state_json() const {
  if (dependencies_.empty() && approved_heads_.empty()) return {};
  const auto missing = session_.services().trust->unapproved(dependencies_);
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("needs_approval", !missing.empty());
  if (!approved_heads_.empty()) writer.member_raw("heads", approved_heads_);
  writer.key("dependencies").begin_array();
  for (const auto& one : missing) writer.string(one);
  writer.end_array().end_object();
  return out;
}

void Trust::tell() {
  session_.trust_changed();
  auto data = state_json();
  session_.connections().publish(Op::trust_state, data.empty() ? R"({"needs_approval":false})" : std::move(data));
}

void Trust::approve(Invocation invocation) {
  std::vector<std::string> seen;
  for (const auto& head : *invocation.body.find("heads")->as_array()) seen.push_back(*head.as_string());
  std::sort(seen.begin(), seen.end());
  auto heads = session_.editing().heads_json();
  // Who came while the document was built was shown what it began with, and no heads.
  const bool as_opened = seen.empty() && session_.editing().shown_version() == 1;
  if (seen != session_.editing().heads() && !as_opened) {
    return invocation.error({409, "stale_base", "the notebook is not what was looked at any more",
                             "look at it again, and approve with the heads it has now", "{\"heads\":" + heads + "}"});
  }
  auto done = [weak = session_.weak_from_this(), heads = std::move(heads),
               invocation = std::move(invocation)](Status status) mutable {
    const auto session = weak.lock();
    if (!session || session->ended()) {
      return invocation.error(404, "session_not_found", "the session has ended", "open the notebook again");
    }
    if (!status) return invocation.error(status.error());
    session->trust().approved_heads_ = std::move(heads);
    session->trust().tell();
    invocation.ok();
  };
  session_.services().workers->submit([store = session_.services().trust, wanted = dependencies_,
                                       token = session_.at_work(), &loop = session_.loop(),
                                       done = std::move(done)]() mutable {
    auto status = store->approve(wanted);
    loop.post([done = std::move(done), status = std::move(status)]() mutable { done(std::move(status)); });
  });
}

}  // namespace lectern::session
