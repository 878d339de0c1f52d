// A waiting line for the pen. Who asks joins its end; a turn has a length while others wait.
#include "../common/caps.hpp"
#include "lectern/sdk/member_list.hpp"
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

constexpr std::uint64_t turn_timer = 1;

class Queue final : public Policy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  static constexpr std::string_view state_schema = "queue/1";
  static constexpr std::string_view actions_json = R"([{"verb":"leave-line","label":"Leave the line","tier":"read"},)"
                                                   R"({"verb":"pass-on","label":"Pass the pen on","tier":"edit"}])";

  explicit Queue(std::string_view config) {
    Settings settings(config);
    turn_ms_ = settings.integer("turn_s", 300, 0, 86'400) * 1000;
    secondary_ = caps_setting(settings, "secondary");
    settings.done();
  }

  void reduce(std::string_view state, const Room& room, const Event& event, Outcome& out) const override {
    MemberList line(state, room);
    const Member* holder = room.member(room.holder);
    const Member* who = room.member(event.who);
    bool passes_on = false;
    switch (event.kind) {
      case LECTERN_EVENT_INSTALLED:
        holder = keep_one(room, out);
        for (const Request& request : room.requests) {
          if (request.asked != 0) out.unask(request.id);
          enqueue(request.id, room.member(request.from), line, out);
        }
        break;
      case LECTERN_EVENT_JOINED:
      case LECTERN_EVENT_RETURNED:
      case LECTERN_EVENT_CHANGED:
        if (who == nullptr) break;
        if (who == holder && !who->may_edit()) {
          out.vacate(who->id, caps_of(*who));
          holder = nullptr;
        } else if (who != holder && event.kind != LECTERN_EVENT_CHANGED && holder == nullptr && could_use(*who) &&
                   line.first(room, present) == nullptr) {
          out.grant(who->id, secondary_);
          return;
        } else if (!who->holds_grant() && who->caps != caps_of(*who)) {
          out.set_caps(who->id, caps_of(*who));
        }
        if (!who->may_edit()) deny_all(room, who->id, "Your access does not include editing.", out);
        break;
      case LECTERN_EVENT_REQUESTED:
        enqueue(event.request, who, line, out);
        break;
      case LECTERN_EVENT_WITHDRAWN:
        line.remove(event.who);
        break;
      case LECTERN_EVENT_ACTION:
        passes_on = event.verb == "pass-on" && who == holder;
        if (event.verb == "leave-line" && line.has(event.who)) {
          line.remove(event.who);
          deny_all(room, event.who, "You left the line.", out);
        }
        break;
      default:  // leaving, being lost, giving back, the end of a turn: the line goes on, below
        break;
    }
    go_on(room, holder, passes_on, event.kind == LECTERN_EVENT_INSTALLED, line, out);
  }

 private:
  static bool present(const Member& member) { return !member.lost() && member.may_edit(); }
  static bool could_use(const Member& member) { return present(member) && !member.headless(); }
  std::uint32_t caps_of(const Member& member) const { return secondary_ & member.scope; }

  /// The request stays open: its asker gets the pen with it, or by a grant when it has run out by then.
  static void enqueue(std::uint64_t request, const Member* asker, MemberList& line, Outcome& out) {
    if (asker == nullptr || !asker->may_edit()) {
      out.deny(request, "Your access does not include editing.");
      return;
    }
    const std::size_t place = line.add(asker->id);
    if (place > 1) out.notice(asker->id, "You are number " + std::to_string(place) + " in line.");
  }

  /// Under several editors whoever edited last goes on.
  const Member* keep_one(const Room& room, Outcome& out) const {
    const Member* keeper = nullptr;
    for (const Member& member : room.members) {
      if (!member.holds_grant() || !member.may_edit()) continue;
      if (keeper == nullptr || member.id == room.holder ||
          (keeper->id != room.holder && member.edited_ms > keeper->edited_ms)) {
        keeper = &member;
      }
    }
    for (const Member& member : room.members) {
      if (&member != keeper) without_pen(member, secondary_, out);
    }
    return keeper;
  }

  void go_on(const Room& room, const Member* holder, bool passes_on, bool tell, MemberList& line, Outcome& out) const {
    line.remove_if([&](std::uint64_t id) {
      const Member* member = room.member(id);
      return member == holder || !member->may_edit();
    });
    const Member* next = line.first(room, present);  // who is away keeps the place
    const std::int64_t turn_ends = room.since_ms + turn_ms_;
    const bool over = passes_on || (turn_ms_ > 0 && turn_ends <= room.now_ms);
    if (next != nullptr && (holder == nullptr || over)) {
      hand_over(room, *next, secondary_, out);
      line.remove(next->id);
      if (!line.empty() && turn_ms_ > 0) out.timer(turn_timer, room.now_ms + turn_ms_);
    } else if (passes_on) {
      out.vacate(holder->id, caps_of(*holder));
    } else if (!line.empty() && turn_ms_ > 0 && turn_ends > room.now_ms && (tell || line.changed())) {
      out.timer(turn_timer, turn_ends);
    }
    if (!line.changed() && !tell) return;
    out.state(line.text());
    out.show("{\"line\":" + line.labels_json(room) + ",\"turn_s\":" + std::to_string(turn_ms_ / 1000) + "}");
  }

  std::int64_t turn_ms_;
  std::uint32_t secondary_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Queue>);
