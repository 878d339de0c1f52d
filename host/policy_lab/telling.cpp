#include "policy_lab/telling.hpp"

namespace lectern::policy_lab {

using plugin::EffectKind;
using plugin::EventKind;

namespace {

std::string with_text(std::string what, const std::string& text) {
  return text.empty() ? what : what + ": " + text;
}

const plugin::Request* find_request(const plugin::RoomSnapshot& room, std::uint64_t id) {
  for (const auto& one : room.requests) {
    if (one.id == id) return &one;
  }
  return nullptr;
}

std::string asker_of(const plugin::RoomSnapshot& room, std::uint64_t request, const Names& names) {
  const auto* found = find_request(room, request);
  return found == nullptr ? "request " + std::to_string(request) : names.of(found->from);
}

std::string in_time(std::int64_t at_ms, std::int64_t now_ms) {
  const auto left = at_ms - now_ms;
  if (left % 1000 == 0) return "in " + std::to_string(left / 1000) + " s";
  return "in " + std::to_string(left) + " ms";
}

std::string keeps(std::uint32_t caps) {
  return (caps & plugin::cap_interact) != 0 ? "may interact" : "only watches";
}

}  // namespace

std::string Names::of(MemberId id) const {
  if (id == 0) return "nobody";
  const auto found = names_.find(id);
  return found == names_.end() ? "member " + std::to_string(id) : found->second;
}

Names Names::of_room(const plugin::RoomSnapshot& room) {
  Names out;
  for (const auto& member : room.members) {
    bool shared = member.label.empty();
    for (const auto& other : room.members) shared = shared || (other.id != member.id && other.label == member.label);
    const auto number = std::to_string(member.id);
    out.set(member.id, !shared                ? member.label
                       : member.label.empty() ? "member " + number
                                              : member.label + " #" + number);
  }
  return out;
}

std::string sentence(const Fact& fact, const Names& names) {
  const auto who = fact.who == 0 ? std::string("everybody") : names.of(fact.who);
  switch (fact.kind) {
    case Fact::Kind::edits:
      return who + " edits";
    case Fact::Kind::gets_the_pen:
      return who + " gets the pen";
    case Fact::Kind::interacts:
      return who + " interacts";
    case Fact::Kind::watches:
      return who + " watches";
    case Fact::Kind::refused:
      return with_text(who + " is refused", fact.text);
    case Fact::Kind::asked:
      return with_text(who + " is asked by " + names.of(fact.by), fact.text);
    case Fact::Kind::unasked:
      return who + " is no longer asked by " + names.of(fact.by);
    case Fact::Kind::told:
      return with_text(who + " is told", fact.text);
    case Fact::Kind::shows:
      return fact.text.empty() ? "the room shows nothing" : "the room shows " + fact.text;
    case Fact::Kind::runs_out:
      return who + "'s request runs out";
    case Fact::Kind::gone:
      return who + " is gone";
    case Fact::Kind::policy_failed:
      return with_text("the policy fails", fact.text);
    case Fact::Kind::host_refused:
      return with_text("the host refuses", fact.text);
  }
  return "?";
}

std::string full_sentence(const Fact& fact, const Names& names, std::int64_t now_ms) {
  auto out = sentence(fact, names);
  if (fact.epoch != 0) out += " (epoch " + std::to_string(fact.epoch) + ")";
  if (fact.kind == Fact::Kind::asked) out += " (until " + in_time(fact.at_ms, now_ms).substr(3) + " from now)";
  return out;
}

std::string sentence(const plugin::PolicyEvent& event, const Names& names, const plugin::RoomSnapshot& room) {
  const auto who = names.of(event.who);
  switch (event.kind) {
    case EventKind::installed:
      return event.json.empty() ? "the policy is installed" : "the policy replaces " + event.json;
    case EventKind::joined:
      return who + " joins";
    case EventKind::left:
      return who + " has left";
    case EventKind::lost:
      return who + " is lost";
    case EventKind::returned:
      return who + " returns";
    case EventKind::changed:
      return who + "'s access or name changes";
    case EventKind::requested: {
      const auto* request = find_request(room, event.request);
      return with_text(who + " asks for the pen", request == nullptr ? std::string() : request->reason);
    }
    case EventKind::withdrawn:
      return who + "'s request is withdrawn";
    case EventKind::answered:
      return names.of(event.target) + (event.value == 1 ? " agrees to " : " refuses ") + who + "'s request";
    case EventKind::ask_ended:
      return names.of(event.target) + " did not answer " + asker_of(room, event.request, names) + "'s request";
    case EventKind::released:
      return who + " no longer has the pen";
    case EventKind::activity:
      return who + " edits";
    case EventKind::timer:
      return "timer " + std::to_string(event.timer) + " is due";
    case EventKind::action: {
      auto out = who + " uses " + event.verb;
      if (event.target != 0) out += " on " + names.of(event.target);
      return event.json.empty() ? out : out + " with " + event.json;
    }
  }
  return "?";
}

std::string sentence(const plugin::Effect& effect, const Names& names, const plugin::RoomSnapshot& room) {
  const auto target = names.of(effect.target);
  switch (effect.kind) {
    case EffectKind::set_caps:
      return target + " " + keeps(effect.caps);
    case EffectKind::grant:
      return "grants " + target + " the pen; a former editor " + keeps(effect.caps);
    case EffectKind::vacate:
      return "takes the pen from " + target + ", who then " + keeps(effect.caps);
    case EffectKind::resolve: {
      const auto asker = asker_of(room, effect.request, names);
      return effect.allow ? "allows " + asker + "'s request; a former editor " + keeps(effect.caps)
                          : with_text("refuses " + asker, effect.text);
    }
    case EffectKind::ask:
      return with_text("asks " + target + " about " + asker_of(room, effect.request, names) + "'s request, until " +
                           in_time(effect.at_ms, room.now_ms).substr(3) + " from now",
                       effect.text);
    case EffectKind::unask:
      return "takes the question about " + asker_of(room, effect.request, names) + "'s request back";
    case EffectKind::timer:
      return effect.at_ms == 0
                 ? "stops timer " + std::to_string(effect.timer)
                 : "wakes up " + in_time(effect.at_ms, room.now_ms) + " (timer " + std::to_string(effect.timer) + ")";
    case EffectKind::notice:
      return with_text("tells " + (effect.target == 0 ? std::string("everybody") : target), effect.text);
    case EffectKind::show:
      return effect.text.empty() ? "shows nothing any more" : "shows " + effect.text;
  }
  return "?";
}

std::string situation(const plugin::RoomSnapshot& room, const Names& names) {
  std::string out;
  for (const auto& member : room.members) {
    out += (out.empty() ? "" : ", ") + names.of(member.id);
    if (member.grant != 0) {
      out += " has the pen (epoch " + std::to_string(member.grant) + ")";
    } else {
      out += (member.caps & plugin::cap_interact) != 0 ? " interacts" : " watches";
    }
    if (member.presence == plugin::Presence::lost) out += ", lost";
  }
  return out.empty() ? "nobody is here" : out;
}

bool fits(std::string_view expected, std::string_view told) {
  if (!told.starts_with(expected)) return false;
  if (told.size() == expected.size()) return true;
  const char next = told[expected.size()];
  return next == ':' || next == ' ';
}

}  // namespace lectern::policy_lab
