// A whole policy: who has the pen keeps it until giving it back.
#include <lectern/sdk/settings.hpp>
#include <lectern/sdk/simple_policy.hpp>

namespace {

using namespace lectern::sdk;

class FirstCome final : public SimplePolicy {
 public:
  explicit FirstCome(std::string_view config) { Settings(config).done(); }
  Start initial_capabilities(const Room& room, const Member& member) const override {
    return room.holder == 0 && member.may_edit() ? Start::editor : Start::interactor;
  }
  Decision can_take_over_editing(const Room& room, const Member& asker) const override {
    if (!asker.may_edit()) return Decision::deny("You may only watch.");
    return room.holder == 0 ? Decision::allow() : Decision::deny("Wait until the pen is free.");
  }
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<FirstCome>);
