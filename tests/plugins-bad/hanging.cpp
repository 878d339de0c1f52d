// Never comes back from reduce, until the file named in its settings appears: a test must be able to end. And throws as
// long as the other file is there.
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"

namespace {

using namespace lectern::sdk;

class Hanging final : public Policy {
 public:
  explicit Hanging(std::string_view config) {
    Settings settings(config);
    until_ = settings.text("until", "");
    fails_ = settings.text("fails", "");
    settings.done();
  }
  void reduce(std::string_view, const Room&, const Event&, Outcome&) const override {
    if (std::filesystem::exists(fails_)) throw std::runtime_error("it is a bad moment");
    log_info("hanging now");
    while (!std::filesystem::exists(until_)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }

 private:
  std::string until_, fails_;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Hanging>);
