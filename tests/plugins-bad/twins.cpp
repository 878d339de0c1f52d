// The same plugin in two builds that say which they are.
#include "lectern/sdk/policy.hpp"

namespace {

class Twin final : public lectern::sdk::Policy {
 public:
  static constexpr std::string_view state_schema = "twins/1";
  static constexpr std::string_view actions_json = R"([{"verb":"wave","label":"Wave","tier":"read"}])";
  explicit Twin(std::string_view) {}
  void reduce(std::string_view state, const lectern::sdk::Room&, const lectern::sdk::Event&,
              lectern::sdk::Outcome& out) const override {
    out.notice(0, TWIN);
    out.state(std::string(state) + TWIN + ";");
  }
};

}  // namespace

LECTERN_PLUGIN(lectern::sdk::PolicyOf<Twin>);
