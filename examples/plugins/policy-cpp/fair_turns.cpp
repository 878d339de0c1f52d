// Everybody gets a fair turn: for `minutes` the editor cannot be interrupted while at work; after that, or once it has
// not edited for `rest_s` seconds, anyone may take the pen.
#include <lectern/sdk/settings.hpp>
#include <lectern/sdk/simple_policy.hpp>

#include <algorithm>

namespace {

using namespace lectern::sdk;

class FairTurns final : public SimplePolicy {
 public:
  explicit FairTurns(std::string_view config) {
    Settings settings(config);
    turn_ms_ = settings.integer("minutes", 5, 1, 24 * 60) * 60'000;
    rest_ms_ = settings.integer("rest_s", 60, 1, 24 * 3600) * 1000;
    settings.done();
  }

  Start initial_capabilities(const Room& room, const Member& member) const override {
    const bool ordinary = member.may_edit() && !member.headless();
    return room.holder == 0 && ordinary ? Start::editor : Start::interactor;
  }

  Decision can_take_over_editing(const Room& room, const Member& asker) const override {
    if (!asker.may_edit()) return Decision::deny("You may only watch.");
    const Member* editor = room.member(room.holder);
    if (editor == nullptr || editor->lost()) return Decision::allow();
    const auto turn_ends = room.since_ms + turn_ms_;
    const auto rest_begins = std::max(editor->edited_ms, room.since_ms) + rest_ms_;
    const auto wait_ms = std::min(turn_ends, rest_begins) - room.now_ms;
    if (wait_ms <= 0) return Decision::allow();
    return Decision::deny("The turn lasts " + std::to_string((wait_ms + 999) / 1000) +
                          " s more, unless it ends early.");
  }

 private:
  std::int64_t turn_ms_, rest_ms_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<FairTurns>);
