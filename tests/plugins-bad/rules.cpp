// Policies that load and answer like any other, and break one rule each: RULE_* says which. What lectern-validate says
// to each is tested in unit/validate_findings_test.cpp.
#include <string>

#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"

namespace {

using namespace lectern::sdk;

[[maybe_unused]] bool somebody_may(const Room& room, std::uint64_t id) {
  const Member* member = room.member(id);
  return member != nullptr && member->may_edit() && !member->lost();
}

class Rules final : public Policy {
 public:
#if defined(RULE_LOST_PEN)
  static constexpr std::string_view state_schema = "rule-lost-pen/1";
#endif
  explicit Rules([[maybe_unused]] std::string_view config) {
#if !defined(RULE_ANY_SETTINGS)
    Settings(config).done();
#endif
  }

  void reduce([[maybe_unused]] std::string_view state, const Room& room, const Event& event,
              Outcome& out) const override {
    const bool comes = event.kind == LECTERN_EVENT_JOINED;
#if defined(RULE_TWO_GRANTS)
    if (event.kind == LECTERN_EVENT_REQUESTED) {
      for (const Member& member : room.members) {
        if (somebody_may(room, member.id)) out.grant(member.id);
      }
    }
#elif defined(RULE_STRANGER)
    if (event.kind == LECTERN_EVENT_LEFT) out.notice(event.who, "Good bye.");
#elif defined(RULE_ABSENT)
    if (event.kind == LECTERN_EVENT_LOST && room.holder == 0) out.grant(event.who);
#elif defined(RULE_REMEMBERS)
    static int calls = 0;
    if (comes && ++calls % 3 == 0) out.notice(event.who, "You are the third.");
#elif defined(RULE_ENDLESS_ASK)
    if (comes && room.holder == 0 && somebody_may(room, event.who)) out.grant(event.who);
    const bool again = event.kind == LECTERN_EVENT_REQUESTED || event.kind == LECTERN_EVENT_ASK_ENDED;
    if (again && somebody_may(room, room.holder)) out.ask(event.request, room.holder, room.now_ms + 1000, "Please?");
#elif defined(RULE_IGNORES_ANSWER)
    if (comes && room.holder == 0 && somebody_may(room, event.who)) out.grant(event.who);
    if (event.kind == LECTERN_EVENT_REQUESTED && somebody_may(room, room.holder))
      out.ask(event.request, room.holder, room.now_ms + 1000, "Please?");
#elif defined(RULE_LOST_PEN)
    if (comes && state.empty() && room.holder == 0 && somebody_may(room, event.who)) {
      out.grant(event.who);
      out.state("taken");
    }
#elif defined(RULE_CRASHES)
    if (event.kind == LECTERN_EVENT_REQUESTED && room.requests.size() > 1) {
      const Member* nobody = room.member(4711);
      out.notice(nobody->id, "never said");
    }
#elif defined(RULE_FORGETS_SWAP)
    if (comes && room.holder == 0 && somebody_may(room, event.who)) out.grant(event.who);
#elif defined(RULE_THREAD)
    static thread_local int first = 0;
    out.notice(0, "call " + std::to_string(++first) + " on this thread");
#else
    if (comes) out.notice(event.who, "Welcome.");
#endif
  }
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Rules>);
