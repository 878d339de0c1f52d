// Everybody who may edit edits. Who joined to watch may still use what the notebook shows.
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"

namespace {

using namespace lectern::sdk;

class Collaborative final : public Policy {
 public:
  static constexpr bool multi_editor = true;

  explicit Collaborative(std::string_view config) { Settings(config).done(); }

  void reduce(std::string_view, const Room& room, const Event& event, Outcome& out) const override {
    switch (event.kind) {
      case LECTERN_EVENT_INSTALLED:
        for (const Request& request : room.requests) answer(room, request.id, request.from, out);
        for (const Member& member : room.members) {
          if (!asks(room, member)) settle(member, out);
        }
        break;
      case LECTERN_EVENT_JOINED:
      case LECTERN_EVENT_RETURNED:
      case LECTERN_EVENT_CHANGED:
        if (const Member* member = room.member(event.who)) settle(*member, out);
        break;
      case LECTERN_EVENT_REQUESTED:
        answer(room, event.request, event.who, out);
        break;
      default:  // nobody's leaving or giving up concerns the others
        break;
    }
  }

 private:
  static void settle(const Member& member, Outcome& out) {
    const std::uint32_t watching = std::uint32_t{LECTERN_CAP_INTERACT} & member.scope;
    if (member.may_edit()) {
      // Who is lost gets its grant on returning: a grant to somebody absent is refused.
      if (!member.holds_grant() && !member.lost()) out.grant(member.id);
    } else if (member.holds_grant()) {
      out.vacate(member.id, watching);
    } else if (member.caps != watching) {
      out.set_caps(member.id, watching);
    }
  }
  /// Its request is its way to a grant; a second one would be one epoch too many.
  static bool asks(const Room& room, const Member& member) {
    for (const Request& request : room.requests) {
      if (request.from == member.id && member.may_edit() && !member.lost()) return true;
    }
    return false;
  }
  /// Only somebody who gave the right to edit back, or came without it, asks here.
  static void answer(const Room& room, std::uint64_t request, std::uint64_t from, Outcome& out) {
    const Member* asker = room.member(from);
    if (asker != nullptr && asker->may_edit() && asker->lost()) {
      out.deny(request, "You were away.");
    } else if (asker != nullptr && asker->may_edit()) {
      out.allow(request);
    } else {
      out.deny(request, "Your access does not include editing.");
    }
  }
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Collaborative>);
