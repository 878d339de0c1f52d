// One named person or device keeps the pen. The audience watches, and interacts where that is wanted.
#include "../common/caps.hpp"
#include "lectern/sdk/people.hpp"
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

class Presenter final : public Policy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  explicit Presenter(std::string_view config) {
    Settings settings(config);
    const std::string presenter = settings.text("presenter", "");
    audience_ = caps_setting(settings, "audience");
    settings.done();
    if (presenter.empty()) {
      throw Failure(LECTERN_INVALID, "the setting \"presenter\" is missing",
                    "Say who presents: \"ada\", \"device:lab-3\" or \"principal:ada\".");
    }
    presenter_ = People({presenter});
  }

  void reduce(std::string_view, const Room& room, const Event& event, Outcome& out) const override {
    switch (event.kind) {
      case LECTERN_EVENT_INSTALLED:
        installed(room, out);
        break;
      case LECTERN_EVENT_JOINED:
      case LECTERN_EVENT_RETURNED:
      case LECTERN_EVENT_CHANGED:
        if (const Member* member = room.member(event.who)) settle(room, *member, out);
        break;
      case LECTERN_EVENT_REQUESTED:
        answer(room, event.request, room.member(event.who), out);
        break;
      default:  // the pen waits for the presenter, whatever the audience does
        break;
    }
  }

 private:
  bool presents(const Member& member) const { return member.may_edit() && presenter_.has(member); }

  void settle(const Room& room, const Member& member, Outcome& out) const {
    if (member.holds_grant() && presents(member)) return;
    if (!member.holds_grant() && room.holder == 0 && presents(member) && !member.lost()) {
      out.grant(member.id, audience_);
    } else {
      without_pen(member, audience_, out);
    }
  }

  /// Among several devices of the presenter the one with the pen keeps it.
  void installed(const Room& room, Outcome& out) const {
    const Member* keeper = nullptr;
    for (const Member& member : room.members) {
      if (!presents(member) || (member.lost() && !member.holds_grant())) continue;
      if (keeper == nullptr || (member.holds_grant() && !keeper->holds_grant()) || member.id == room.holder) {
        keeper = &member;
      }
    }
    const Request* granting = nullptr;  // who waits for the pen and gets it is answered with it
    for (const Request& request : room.requests) {
      if (keeper != nullptr && !keeper->holds_grant() && request.from == keeper->id && granting == nullptr) {
        granting = &request;
        out.allow(request.id, audience_);
      } else {
        out.deny(request.id, "Only the presenter edits.");
      }
    }
    for (const Member& member : room.members) {
      if (&member != keeper) {
        without_pen(member, audience_, out);
      } else if (!member.holds_grant() && granting == nullptr) {
        out.grant(member.id, audience_);
      }
    }
  }

  /// The presenter may move the pen between their own devices.
  void answer(const Room&, std::uint64_t request, const Member* asker, Outcome& out) const {
    if (asker != nullptr && presents(*asker)) {
      out.allow(request, audience_);
    } else {
      out.deny(request, "Only the presenter edits.");
    }
  }

  People presenter_;
  std::uint32_t audience_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Presenter>);
