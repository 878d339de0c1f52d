// One editor. While it edits, the pen must be asked for; once it has not edited for a while, the pen is free to take.
#include <algorithm>

#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/simple_policy.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

class IdleHandoff final : public SimplePolicy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  explicit IdleHandoff(std::string_view config) {
    Settings settings(config);
    idle_ms_ = settings.integer("idle_s", 300, 1, 86'400) * 1000;
    deadline_ms_ = settings.integer("deadline_s", 30, 1, 600) * 1000;
    secondary_ = settings.choice("secondary", {"interactor", "viewer"}, "interactor") == "viewer" ? Start::viewer
                                                                                                  : Start::interactor;
    settings.done();
  }

  Start initial_capabilities(const Room& room, const Member& member) const override {
    return room.holder == 0 && member.may_edit() && !member.headless() ? Start::editor : secondary_;
  }

  Decision can_take_over_editing(const Room& room, const Member& asker) const override {
    if (asker.view_only()) return Decision::deny("You joined to watch only.");
    if (!asker.may_edit()) return Decision::deny("Your access does not include editing.");
    const Member* editor = room.member(room.holder);
    if (editor == nullptr || editor->lost() || idle_at(room, *editor) <= room.now_ms) return Decision::allow();
    // No longer than until the editor counts as idle: then nobody need be asked.
    const std::int64_t wait = std::min(deadline_ms_, idle_at(room, *editor) - room.now_ms);
    return Decision::ask(editor->id, wait, "May I have the pen?");
  }

  Decision unanswered(const Room& room, const Member& asker, std::uint64_t asked) const override {
    if (!asker.may_edit()) return Decision::deny("Your access does not include editing.");
    const Member* editor = room.member(room.holder);
    if (editor == nullptr || editor->lost()) return Decision::allow();
    if (editor->id != asked) return Decision::deny("Somebody else got the pen. Ask again.");
    if (idle_at(room, *editor) <= room.now_ms) return Decision::allow();
    return Decision::deny("The editor is at work and did not answer.");
  }

  Start former_editor(const Room&, const Member&) const override { return secondary_; }

 private:
  /// Who has just got the pen has all that time to begin.
  std::int64_t idle_at(const Room& room, const Member& editor) const {
    return std::max(editor.edited_ms, room.since_ms) + idle_ms_;
  }
  std::int64_t idle_ms_, deadline_ms_;
  Start secondary_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<IdleHandoff>);
