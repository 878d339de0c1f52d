// Not a bad plugin: none of the shipped policies asks the editor, so the wire tests (wire/asking.test.ts) bring one
// that does. The first who may edit gets the pen; everybody after asks whoever has it, and has `ask_ms`
// (2 s) for an answer.
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/simple_policy.hpp"

namespace {

using lectern::sdk::Decision;
using lectern::sdk::Member;
using lectern::sdk::Room;
using lectern::sdk::Start;

class Asking final : public lectern::sdk::SimplePolicy {
 public:
  explicit Asking(std::string_view config) {
    lectern::sdk::Settings settings(config);
    ask_ms_ = settings.integer("ask_ms", 2000, 1, 600'000);
    settings.done();
  }
  Start initial_capabilities(const Room& room, const Member& member) const override {
    return room.holder == 0 && member.may_edit() ? Start::editor : Start::interactor;
  }
  Decision can_take_over_editing(const Room& room, const Member& asker) const override {
    if (!asker.may_edit()) return Decision::deny("You may only watch.");
    const Member* editor = room.member(room.holder);
    if (editor == nullptr || editor->lost()) return Decision::allow();
    return Decision::ask(editor->id, ask_ms_, "May I have the pen?");
  }

 private:
  std::int64_t ask_ms_ = 0;
};

}  // namespace

LECTERN_PLUGIN(lectern::sdk::PolicyOf<Asking>);
