// Dies while it is loaded, before anybody asked it anything.
#include "crash.hpp"
#include "lectern/sdk/policy.hpp"

namespace {

using namespace lectern::sdk;

struct AtOnce {
  AtOnce() {
    std::string said;
    crash::try_it("segv", said);
  }
} at_once;

class Never final : public Policy {
 public:
  explicit Never(std::string_view) {}
  void reduce(std::string_view, const Room&, const Event&, Outcome&) const override {}
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Never>);
