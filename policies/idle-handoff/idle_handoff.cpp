// One editor. While it edits, the pen must be asked for; once it has not edited for a while, the pen is free to take.
#include <algorithm>

#include "../common/asking.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

class IdleHandoff final : public AskingPolicy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  explicit IdleHandoff(std::string_view config) : IdleHandoff(Settings(config)) {}

 private:
  explicit IdleHandoff(Settings settings) : AskingPolicy(settings) {
    idle_ms_ = settings.integer("idle_s", 300, 1, 86'400) * 1000;
    settings.done();
  }
  /// No longer than until the editor counts as idle: then nobody need be asked. Who has just got the pen has all that
  /// time to begin.
  std::int64_t wait_for(const Room& room, const Member& editor) const override {
    const std::int64_t idle_at = std::max(editor.edited_ms, room.since_ms) + idle_ms_;
    return std::min(deadline_ms(), idle_at - room.now_ms);
  }
  Decision silence(const Room& room, const Member& editor) const override {
    return wait_for(room, editor) <= 0 ? Decision::allow()
                                       : Decision::deny("The editor is at work and did not answer.");
  }
  std::int64_t idle_ms_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<IdleHandoff>);
