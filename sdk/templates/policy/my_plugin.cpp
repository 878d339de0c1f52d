// A policy with one editor: two questions, everything else follows (lectern/sdk/simple_policy.hpp). Both must be pure:
// the same room gives the same answer, room.now_ms is the only clock.
#include <lectern/sdk/settings.hpp>
#include <lectern/sdk/simple_policy.hpp>

namespace {

using namespace lectern::sdk;

class MyPlugin final : public SimplePolicy {
 public:
  explicit MyPlugin(std::string_view config) {
    Settings settings(config);
    reason_ = settings.text("reason", "Wait until the pen is free.");
    settings.done();  // a key that nobody asked for is a spelling mistake: the host shows which
  }

  // Asked for everybody who joins.
  Start initial_capabilities(const Room& room, const Member& member) const override {
    return room.holder == 0 && member.may_edit() ? Start::editor : Start::interactor;
  }

  // Asked when somebody wants the pen. The third answer there is: Decision::ask(member, timeout_ms, text).
  Decision can_take_over_editing(const Room& room, const Member& asker) const override {
    if (!asker.may_edit()) return Decision::deny("You may only watch.");
    return room.holder == 0 ? Decision::allow() : Decision::deny(reason_);
  }

 private:
  std::string reason_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<MyPlugin>);
