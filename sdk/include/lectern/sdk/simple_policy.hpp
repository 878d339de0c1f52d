// A policy with one editor as two questions. Everything else (first come, swaps, leaving, returning, answers) follows
// the same sensible rules for every such policy:
//
//   class Mine : public lectern::sdk::SimplePolicy {
//    public:
//     explicit Mine(std::string_view config) { lectern::sdk::Settings(config).done(); }
//     Start initial_capabilities(const Room& room, const Member& member) const override {
//       return room.holder == 0 && member.may_edit() ? Start::editor : Start::interactor;
//     }
//     Decision can_take_over_editing(const Room& room, const Member& asker) const override {
//       return asker.may_edit() ? Decision::allow() : Decision::deny("You may only watch.");
//     }
//   };
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "lectern/sdk/policy.hpp"

namespace lectern::sdk {

/// What somebody starts with.
enum class Start { editor, interactor, viewer };

/// The answer to a takeover.
struct Decision {
  enum class Kind { allow, deny, ask } kind = Kind::deny;
  std::string text;             // deny: the reason; ask: what is shown to the one asked
  std::uint64_t member = 0;     // ask: whom
  std::int64_t timeout_ms = 0;  // ask: how long

  static Decision allow() { return {Kind::allow, {}, 0, 0}; }
  static Decision deny(std::string reason) { return {Kind::deny, std::move(reason), 0, 0}; }
  static Decision ask(std::uint64_t member, std::int64_t timeout_ms, std::string text) {
    return {Kind::ask, std::move(text), member, timeout_ms};
  }
};

class SimplePolicy : public Policy {
 public:
  /// Asked for everybody who joins and, for those who do not edit, after a swap to this policy. `editor` counts only
  /// while nobody holds the pen and the member is there and may edit; else it is `interactor`.
  [[nodiscard]] virtual Start initial_capabilities(const Room& room, const Member& member) const = 0;
  /// `asker` is in the room and does not hold the pen.
  [[nodiscard]] virtual Decision can_take_over_editing(const Room& room, const Member& asker) const = 0;
  /// What an editor keeps when the pen passes on.
  [[nodiscard]] virtual Start former_editor(const Room&, const Member&) const { return Start::interactor; }
  /// The one asked did not answer. By default: somebody who is gone does not block, silence does, and whoever got the
  /// pen meanwhile was never asked.
  [[nodiscard]] virtual Decision unanswered(const Room& room, const Member&, std::uint64_t asked) const {
    const Member* holder = room.member(room.holder);
    if (holder == nullptr || holder->lost()) return Decision::allow();
    return Decision::deny(holder->id == asked ? "There was no answer." : "Somebody else got the pen. Ask again.");
  }

  /// A JSON object that everybody is shown for as long as this policy rules; empty for none. `{"takeover":"ask"}` says
  /// that whoever wants the pen asks for it.
  [[nodiscard]] virtual std::string shown() const { return {}; }

  void reduce(std::string_view, const Room& room, const Event& event, Outcome& out) const final {
    switch (event.kind) {
      case LECTERN_EVENT_INSTALLED:
        installed(room, out);
        break;
      case LECTERN_EVENT_JOINED:
        if (const Member* member = room.member(event.who)) start(room, *member, true, out);
        break;
      case LECTERN_EVENT_RETURNED:
        if (const Member* member = room.member(event.who)) start(room, *member, alone(room, *member), out);
        break;
      case LECTERN_EVENT_CHANGED:
        if (const Member* member = room.member(event.who)) changed(room, *member, out);
        break;
      case LECTERN_EVENT_REQUESTED:
        if (const Member* asker = room.member(event.who)) {
          decide(room, event.request, can_take_over_editing(room, *asker), out);
        }
        break;
      case LECTERN_EVENT_ANSWERED:
        decide(room, event.request, event.value == 1 ? Decision::allow() : Decision::deny("The editor said no."), out);
        break;
      case LECTERN_EVENT_ASK_ENDED:
        if (const Request* request = room.request(event.request)) {
          if (const Member* asker = room.member(request->from)) {
            decide(room, event.request, unanswered(room, *asker, event.target), out);
          }
        }
        break;
      default:  // who leaves, is lost or gives the pen back changes nothing for the others
        break;
    }
  }

 private:
  static std::uint32_t caps_of(Start start, const Member& member) {
    return start == Start::viewer ? 0u : std::uint32_t{LECTERN_CAP_INTERACT} & member.scope;
  }
  /// Nobody else could take a pen that this member finds free, so giving it surprises nobody.
  static bool alone(const Room& room, const Member& member) {
    return std::none_of(room.members.begin(), room.members.end(), [&](const Member& other) {
      return other.id != member.id && !other.lost() && other.may_edit();
    });
  }
  std::uint32_t former_caps(const Room& room) const {
    const Member* holder = room.member(room.holder);
    return holder == nullptr ? std::uint32_t{LECTERN_CAP_INTERACT} : caps_of(former_editor(room, *holder), *holder);
  }
  void start(const Room& room, const Member& member, bool may_get_the_pen, Outcome& out) const {
    if (member.holds_grant()) return;
    const Start wanted = initial_capabilities(room, member);
    if (wanted == Start::editor && may_get_the_pen && room.holder == 0 && member.may_edit() && !member.lost()) {
      out.grant(member.id);
      return;
    }
    set_caps(member, caps_of(wanted, member), out);
  }
  void changed(const Room& room, const Member& member, Outcome& out) const {
    if (member.holds_grant()) {
      if (!member.may_edit()) out.vacate(member.id, caps_of(former_editor(room, member), member));
      return;
    }
    start(room, member, false, out);
  }
  static void set_caps(const Member& member, std::uint32_t caps, Outcome& out) {
    if (member.caps != caps) out.set_caps(member.id, caps);
  }
  /// One editor stays: the holder, else whoever edited last; the others get what they would have got by joining now.
  void installed(const Room& room, Outcome& out) const {
    if (auto json = shown(); !json.empty()) out.show(std::move(json));
    const Member* keeper = nullptr;
    for (const Member& member : room.members) {
      if (!member.holds_grant() || !member.may_edit()) continue;
      if (member.id == room.holder) {
        keeper = &member;
        break;
      }
      if (keeper == nullptr || member.edited_ms > keeper->edited_ms) keeper = &member;
    }
    Room settled = room;
    settled.holder = keeper == nullptr ? 0 : keeper->id;
    for (const Member& member : room.members) {
      if (&member == keeper) continue;
      if (member.holds_grant()) {
        out.vacate(member.id, caps_of(former_editor(settled, member), member));
      } else {
        set_caps(member, caps_of(initial_capabilities(settled, member), member), out);
      }
    }
    bool passed_on = false;  // one request may win, or the pen would race through all who asked
    for (const Request& request : room.requests) {
      const Member* asker = room.member(request.from);
      if (asker == nullptr) continue;
      const Decision decision =
          passed_on ? Decision::deny("Somebody else just got the pen.") : can_take_over_editing(settled, *asker);
      passed_on = passed_on || decision.kind == Decision::Kind::allow;
      decide(settled, request.id, decision, out);
    }
  }
  void decide(const Room& room, std::uint64_t id, const Decision& decision, Outcome& out) const {
    switch (decision.kind) {
      case Decision::Kind::allow:
        allow(room, id, out);
        break;
      case Decision::Kind::deny:
        out.deny(id, decision.text);
        break;
      case Decision::Kind::ask:
        out.ask(id, decision.member, room.now_ms + decision.timeout_ms, decision.text);
        break;
    }
  }
  /// An answer may come when the asker is gone or may no longer edit; the host would refuse that grant, and count it.
  void allow(const Room& room, std::uint64_t id, Outcome& out) const {
    const Request* request = room.request(id);
    const Member* asker = request == nullptr ? nullptr : room.member(request->from);
    if (asker == nullptr || asker->lost()) {
      out.deny(id, "You were away when the pen was free.");
    } else if (!asker->may_edit()) {
      out.deny(id, "Your access does not include editing.");
    } else {
      out.allow(id, former_caps(room));
    }
  }
};

}  // namespace lectern::sdk
