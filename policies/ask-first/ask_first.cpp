// One editor, who is asked before the pen passes on. Silence grants or denies as configured; an absent editor does not
// block.
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/simple_policy.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

class AskFirst final : public SimplePolicy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  explicit AskFirst(std::string_view config) {
    Settings settings(config);
    deadline_ms_ = settings.integer("deadline_s", 30, 1, 600) * 1000;
    silence_grants_ = settings.choice("silence", {"deny", "grant"}, "deny") == "grant";
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
    if (editor == nullptr || editor->lost()) return Decision::allow();
    return Decision::ask(editor->id, deadline_ms_, "May I have the pen?");
  }

  Decision unanswered(const Room& room, const Member& asker, std::uint64_t asked) const override {
    // Its access may have shrunk since it asked.
    if (!asker.may_edit()) return Decision::deny("Your access does not include editing.");
    const Member* editor = room.member(room.holder);
    if (editor == nullptr || editor->lost()) return Decision::allow();
    // The pen passed to somebody else meanwhile: taking it from them unasked would be a race that the slowest wins.
    if (editor->id != asked) return Decision::deny("Somebody else got the pen. Ask again.");
    return silence_grants_ ? Decision::allow() : Decision::deny("There was no answer.");
  }

  Start former_editor(const Room&, const Member&) const override { return secondary_; }

 private:
  std::int64_t deadline_ms_;
  bool silence_grants_;
  Start secondary_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<AskFirst>);
