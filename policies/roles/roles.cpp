// Who somebody is decides what they may do. Several may edit at the same time. A token's scope always bounds the role.
#include "lectern/sdk/people.hpp"
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

enum class Role { editor, interactor, viewer };

class Roles final : public Policy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  static constexpr bool multi_editor = true;

  explicit Roles(std::string_view config) {
    Settings settings(config);
    editors_ = People(settings.texts("editors"));
    interactors_ = People(settings.texts("interactors"));
    viewers_ = People(settings.texts("viewers"));
    const std::string others = settings.choice("others", {"scope", "editor", "interactor", "viewer"}, "scope");
    settings.done();
    // A scope is a bound anyway, so "what the scope allows" is the highest role.
    others_ = others == "interactor" ? Role::interactor : others == "viewer" ? Role::viewer : Role::editor;
  }

  void reduce(std::string_view, const Room& room, const Event& event, Outcome& out) const override {
    switch (event.kind) {
      case LECTERN_EVENT_INSTALLED:
        for (const Request& request : room.requests) answer(request.id, room.member(request.from), out);
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
        answer(event.request, room.member(event.who), out);
        break;
      default:  // nobody's going concerns the others
        break;
    }
  }

 private:
  /// Whoever is named twice has the lesser role: a list of viewers that does not hold would be no list.
  Role role_of(const Member& member) const {
    if (viewers_.has(member)) return Role::viewer;
    if (interactors_.has(member)) return Role::interactor;
    if (editors_.has(member)) return Role::editor;
    return others_;
  }
  bool edits(const Member& member) const { return member.may_edit() && role_of(member) == Role::editor; }

  void settle(const Member& member, Outcome& out) const {
    const std::uint32_t caps =
        role_of(member) == Role::viewer ? 0u : std::uint32_t{LECTERN_CAP_INTERACT} & member.scope;
    if (edits(member)) {
      if (!member.holds_grant() && !member.lost()) out.grant(member.id);
    } else if (member.holds_grant()) {
      out.vacate(member.id, caps);
    } else if (member.caps != caps) {
      out.set_caps(member.id, caps);
    }
  }

  /// Its request is its way to a grant; a second one would be one epoch too many.
  bool asks(const Room& room, const Member& member) const {
    for (const Request& request : room.requests) {
      if (request.from == member.id && edits(member) && !member.lost()) return true;
    }
    return false;
  }

  void answer(std::uint64_t request, const Member* asker, Outcome& out) const {
    if (asker != nullptr && edits(*asker)) {
      if (!asker->lost()) {
        out.allow(request);
      } else {
        out.deny(request, "You were away.");
      }
    } else if (asker != nullptr && !asker->may_edit()) {
      out.deny(request, "Your access does not include editing.");
    } else {
      out.deny(request, "Your role does not include editing.");
    }
  }

  People editors_, interactors_, viewers_;
  Role others_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Roles>);
