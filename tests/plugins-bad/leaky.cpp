// A good policy that is linked the way a library usually is: everything exported, a SONAME, a symbol that is unique to
// the process, a symbol that only the program around it may have.
#include <string>

#include "lectern/sdk/policy.hpp"

extern "C" void provided_by_nobody();

template <class T>
struct Unique {
  static int& value() {
    static int one = 1;
    return one;
  }
};

int leaky_helper(int n) {
  return Unique<long>::value() += n;
}

namespace {

class Leaky final : public lectern::sdk::Policy {
 public:
  explicit Leaky(std::string_view) {}
  void reduce(std::string_view, const lectern::sdk::Room&, const lectern::sdk::Event& event,
              lectern::sdk::Outcome& out) const override {
    if (event.kind == 4711) provided_by_nobody();
    out.notice(0, std::to_string(leaky_helper(0)));
  }
};

}  // namespace

LECTERN_PLUGIN(lectern::sdk::PolicyOf<Leaky>);
