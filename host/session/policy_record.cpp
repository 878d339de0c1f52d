#include "session/policy_record.hpp"

namespace lectern::session {

std::size_t PolicyRecord::size_of(const plugin::RecordedDecision& decision) {
  constexpr std::size_t per_person = sizeof(plugin::Member) + 64;
  return sizeof decision + decision.config.size() + decision.state.size() + decision.room.members.size() * per_person +
         decision.room.requests.size() * sizeof(plugin::Request);
}

void PolicyRecord::add(const Ruling& ruling) {
  const auto& outcome = ruling.outcome;
  const bool idle = outcome && outcome->effects.empty() && !outcome->state;
  if (idle && ruling.event.kind == plugin::EventKind::activity) return;
  const auto& policy = *ruling.policy;
  decisions_.push_back({policy.id(), policy.config(), policy.multi_editor(), ruling.state, ruling.room, ruling.event,
                        outcome, ruling.took_us});
  bytes_ += size_of(decisions_.back());
  // The newest stays, however large its room is.
  while (decisions_.size() > most_decisions || (bytes_ > most_bytes && decisions_.size() > 1)) {
    bytes_ -= size_of(decisions_.front());
    decisions_.pop_front();
  }
}

std::string PolicyRecord::text() const {
  std::string out;
  for (const auto& decision : decisions_) out += plugin::to_json_line(decision) + "\n";
  return out;
}

}  // namespace lectern::session
