// A teacher takes and hands out the pen; students ask by raising a hand.
#include "../common/caps.hpp"
#include "lectern/sdk/member_list.hpp"
#include "lectern/sdk/people.hpp"
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

class Classroom final : public Policy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  static constexpr std::string_view state_schema = "classroom/1";
  static constexpr std::string_view actions_json = R"([{"verb":"raise-hand","label":"Raise your hand","tier":"read"},)"
                                                   R"({"verb":"lower-hand","label":"Lower your hand","tier":"read"},)"
                                                   R"({"verb":"give","label":"Give the pen","tier":"read"},)"
                                                   R"({"verb":"take-back","label":"Take the pen back","tier":"read"}])";

  explicit Classroom(std::string_view config) {
    Settings settings(config);
    teachers_ = People(settings.texts("teachers"));
    students_ = caps_setting(settings, "students");
    settings.done();
  }

  void reduce(std::string_view state, const Room& room, const Event& event, Outcome& out) const override {
    MemberList hands(state, room);
    const Member* who = room.member(event.who);
    if (event.kind == LECTERN_EVENT_ANSWERED || event.kind == LECTERN_EVENT_WITHDRAWN) hands.remove(event.who);
    switch (event.kind) {
      case LECTERN_EVENT_INSTALLED:
        installed(room, hands, out);
        break;
      case LECTERN_EVENT_JOINED:
      case LECTERN_EVENT_RETURNED:
      case LECTERN_EVENT_CHANGED:
        if (who != nullptr) settle(room, *who, hands, out);
        break;
      case LECTERN_EVENT_REQUESTED:
        requested(room, event.request, who, hands, out);
        break;
      case LECTERN_EVENT_ANSWERED:
        if (event.value == 1 && who != nullptr && teachable(*who)) {
          give(room, who, hands, out);
        } else {
          out.deny(event.request, "Not now.");
        }
        break;
      case LECTERN_EVENT_ASK_ENDED:
        // Also when the teacher handed the pen to somebody else: the hand is still up then.
        if (const Request* open = room.request(event.request)) {
          ask(room, *open, open->deadline_ms, "No teacher answered. Your hand stays up.", out);
        }
        break;
      case LECTERN_EVENT_RELEASED:  // what a student gives back goes to the teacher; a teacher may lay the pen down
        if (who == nullptr || !teaches(*who)) give(room, teacher_here(room), hands, out);
        break;
      case LECTERN_EVENT_ACTION:
        if (who != nullptr) act(room, event, *who, hands, out);
        break;
    }
    hands.remove_if([&](std::uint64_t id) { return !room.member(id)->may_edit(); });
    if (!hands.changed() && event.kind != LECTERN_EVENT_INSTALLED) return;
    out.state(hands.text());
    out.show("{\"hands\":" + hands.labels_json(room) + "}");
  }

 private:
  bool teaches(const Member& member) const { return member.may_edit() && teachers_.has(member); }
  static bool teachable(const Member& member) { return member.may_edit() && !member.lost(); }
  /// The one with the pen, else the first.
  const Member* teacher_here(const Room& room) const {
    const Member* found = nullptr;
    for (const Member& member : room.members) {
      if (teaches(member) && !member.lost() && (found == nullptr || member.holds_grant())) found = &member;
    }
    return found;
  }

  void settle(const Room& room, const Member& member, MemberList& hands, Outcome& out) const {
    if (member.holds_grant() && member.may_edit()) return;
    const Member* next = member.holds_grant() ? teacher_here(room) : nullptr;
    if (room.holder == 0 && teaches(member) && !member.lost()) next = &member;
    if (next != &member) without_pen(member, students_, out);
    give(room, next, hands, out);
  }

  /// Class begins: a teacher has the pen, or nobody.
  void installed(const Room& room, MemberList& hands, Outcome& out) const {
    const Member* keeper = room.member(room.holder);
    if (keeper == nullptr || !teaches(*keeper)) keeper = teacher_here(room);
    for (const Member& member : room.members) {
      if (&member != keeper) without_pen(member, students_, out);
    }
    if (keeper != nullptr && !keeper->holds_grant()) give(room, keeper, hands, out);
    for (const Request& request : room.requests) {
      if (keeper != nullptr && request.from == keeper->id) continue;
      if (request.asked != 0) out.unask(request.id);
      if (const Member* asker = room.member(request.from); asker != nullptr && asker->may_edit()) hands.add(asker->id);
      out.deny(request.id, "Class has begun. Your hand is up.");
    }
  }

  void requested(const Room& room, std::uint64_t request, const Member* asker, MemberList& hands, Outcome& out) const {
    if (asker == nullptr || !asker->may_edit()) return out.deny(request, "Your access does not include editing.");
    if (teaches(*asker)) return out.allow(request, students_);
    hands.add(asker->id);
    const Request* open = room.request(request);
    if (open != nullptr) ask(room, *open, room.now_ms + longest_ask_ms, "No teacher is here. Your hand is up.", out);
  }

  void ask(const Room& room, const Request& request, std::int64_t until_ms, const char* refusal, Outcome& out) const {
    const Member *teacher = teacher_here(room), *asker = room.member(request.from);
    if (asker == nullptr || teacher == nullptr || until_ms <= room.now_ms) return out.deny(request.id, refusal);
    out.ask(request.id, teacher->id, until_ms, std::string(asker->label) + " raises a hand.");
  }

  void act(const Room& room, const Event& event, const Member& who, MemberList& hands, Outcome& out) const {
    const Member* target = event.target == 0 ? &who : room.member(event.target);
    if (event.verb == "raise-hand") {
      if (teaches(who) || !who.may_edit() || who.holds_grant()) return;
      hands.add(who.id);
    } else if (event.verb == "lower-hand" && target != nullptr && (target == &who || teaches(who))) {
      hands.remove(target->id);
      deny_all(room, target->id, "The hand was lowered.", out);
    } else if (!teaches(who) || target == nullptr || !teachable(*target)) {
      out.notice(who.id, teaches(who) ? "The pen can go only to somebody who is here and may edit."
                                      : "Only a teacher hands out the pen.");
    } else {
      give(room, target, hands, out);
    }
  }

  void give(const Room& room, const Member* member, MemberList& hands, Outcome& out) const {
    if (member == nullptr) return;
    hands.remove(member->id);
    hand_over(room, *member, students_, out);
  }

  static constexpr std::int64_t longest_ask_ms = 600'000;  // a teacher answers in time; the host allows no more
  People teachers_;
  std::uint32_t students_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Classroom>);
