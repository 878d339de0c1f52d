// One editor. The first to come writes; later tabs watch; anyone who may edit takes over at once.
#include "lectern/sdk/metrics.hpp"
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/simple_policy.hpp"

namespace {

using namespace lectern::sdk;

Counter refused{"takeovers_refused_total", "Takeovers that were refused because the asker may not edit"};

class LocalTakeover final : public SimplePolicy {
 public:
  static constexpr std::string_view config_schema = R"({
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "Local takeover",
    "type": "object",
    "properties": {
      "secondary": {
        "description": "What everybody but the editor starts with, and what a former editor keeps",
        "type": "string",
        "enum": ["interactor", "viewer"],
        "default": "interactor"
      }
    },
    "additionalProperties": false
  })";
  static Health health() { return Health::ok("decides at once, keeps nothing"); }

  explicit LocalTakeover(std::string_view config) {
    Settings settings(config);
    const auto secondary = settings.choice("secondary", {"interactor", "viewer"}, "interactor");
    settings.done();
    secondary_ = secondary == "viewer" ? Start::viewer : Start::interactor;
  }

  Start initial_capabilities(const Room& room, const Member& member) const override {
    // A program without a screen never gets the pen unasked: nobody would be there to use it.
    const bool ordinary = member.may_edit() && !member.headless();
    return room.holder == 0 && ordinary ? Start::editor : secondary_;
  }

  Decision can_take_over_editing(const Room&, const Member& asker) const override {
    if (asker.may_edit()) return Decision::allow();
    refused.add();
    return Decision::deny(asker.view_only() ? "You joined to watch only." : "Your access does not include editing.");
  }

  Start former_editor(const Room&, const Member&) const override { return secondary_; }

 private:
  Start secondary_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<LocalTakeover>);
