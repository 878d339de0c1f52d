// What ask-first and idle-handoff share: one editor, who is asked before the pen passes on. An editor who is absent
// blocks nobody.
#pragma once

#include <cstdint>
#include <string>

#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/simple_policy.hpp"

/// The settings that AskingPolicy reads, for a JSON Schema.
#define ASKING_SETTINGS_SCHEMA                                                                           \
  R"("deadline_s":{"description":"How long the editor has to answer, in seconds","type":"integer",)"     \
  R"("minimum":1,"maximum":600,"default":30},)"                                                          \
  R"("secondary":{"description":"What everybody but the editor may do","enum":["interactor","viewer"],)" \
  R"("default":"interactor"})"

class AskingPolicy : public lectern::sdk::SimplePolicy {
 public:
  using Decision = lectern::sdk::Decision;
  using Member = lectern::sdk::Member;
  using Room = lectern::sdk::Room;
  using Start = lectern::sdk::Start;

  Start initial_capabilities(const Room& room, const Member& member) const override {
    return room.holder == 0 && member.may_edit() && !member.headless() ? Start::editor : secondary_;
  }
  Start former_editor(const Room&, const Member&) const override { return secondary_; }

  /// Also while nobody need be asked: whoever asks then has the pen at once.
  std::string shown() const override { return R"({"takeover":"ask"})"; }

  Decision can_take_over_editing(const Room& room, const Member& asker) const override {
    if (asker.view_only()) return Decision::deny("You joined to watch only.");
    if (!asker.may_edit()) return Decision::deny("Your access does not include editing.");
    const Member* editor = room.member(room.holder);
    if (editor == nullptr || editor->lost()) return Decision::allow();
    const std::int64_t wait = wait_for(room, *editor);
    return wait <= 0 ? Decision::allow() : Decision::ask(editor->id, wait, "May I have the pen?");
  }

  Decision unanswered(const Room& room, const Member& asker, std::uint64_t asked) const override {
    // Its access may have shrunk since it asked.
    if (!asker.may_edit()) return Decision::deny("Your access does not include editing.");
    const Member* editor = room.member(room.holder);
    if (editor == nullptr || editor->lost()) return Decision::allow();
    // The pen passed to somebody else meanwhile: taking it from them unasked would be a race that the slowest wins.
    if (editor->id != asked) return Decision::deny("Somebody else got the pen. Ask again.");
    return silence(room, *editor);
  }

 protected:
  explicit AskingPolicy(lectern::sdk::Settings& settings)
      : deadline_ms_(settings.integer("deadline_s", 30, 1, 600) * 1000),
        secondary_(settings.choice("secondary", {"interactor", "viewer"}, "interactor") == "viewer"
                       ? Start::viewer
                       : Start::interactor) {}

  /// For how many ms the editor, who is there, is to be asked; 0 = the pen may be taken at once.
  virtual std::int64_t wait_for(const Room&, const Member&) const { return deadline_ms_; }
  /// The editor was asked and did not answer.
  virtual Decision silence(const Room& room, const Member& editor) const = 0;
  [[nodiscard]] std::int64_t deadline_ms() const { return deadline_ms_; }

 private:
  std::int64_t deadline_ms_;
  Start secondary_;
};
