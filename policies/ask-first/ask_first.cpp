// One editor, who is asked before the pen passes on. Silence grants or denies as configured; an absent editor does not
// block.
#include "../common/asking.hpp"
#include "settings_schema.hpp"

namespace {

using namespace lectern::sdk;

class AskFirst final : public AskingPolicy {
 public:
  static constexpr std::string_view config_schema = settings_schema;
  explicit AskFirst(std::string_view config) : AskFirst(Settings(config)) {}

 private:
  explicit AskFirst(Settings settings) : AskingPolicy(settings) {
    silence_grants_ = settings.choice("silence", {"deny", "grant"}, "deny") == "grant";
    settings.done();
  }
  Decision silence(const Room&, const Member&) const override {
    return silence_grants_ ? Decision::allow() : Decision::deny("There was no answer.");
  }
  bool silence_grants_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<AskFirst>);
