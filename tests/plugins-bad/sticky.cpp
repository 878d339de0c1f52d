// Says it can be unloaded, and cannot: a thread-local with a destructor, touched by a thread of the host, keeps the
// library mapped after dlclose.
#include <string>

#include "lectern/sdk/policy.hpp"

namespace {

thread_local std::string remembered(1000, 'x');

class Sticky final : public lectern::sdk::Policy {
 public:
  explicit Sticky(std::string_view) { remembered += "y"; }
  void reduce(std::string_view, const lectern::sdk::Room&, const lectern::sdk::Event&,
              lectern::sdk::Outcome& out) const override {
    out.notice(0, remembered.substr(0, 3));
  }
};

}  // namespace

LECTERN_PLUGIN(lectern::sdk::PolicyOf<Sticky>);
