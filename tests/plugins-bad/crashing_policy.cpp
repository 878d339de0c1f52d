// The first to come gets the pen, everybody who asks gets it too; but the reason of a takeover says how to die, or what
// else to do wrong.
#include <string>

#include "crash.hpp"
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"

namespace {

using namespace lectern::sdk;

class Crashing final : public Policy {
 public:
  explicit Crashing(std::string_view config) {
    Settings settings(config);
    const auto only_in = settings.text("only_in", "");  // ",7,8,": the processes whose settings these are
    const auto slow_ms = settings.integer("slow_ms", 0, 0, 60'000);
    wrong_when_installed_ = settings.text("installed", "") == "wrong";
    settings.done();
    if (!only_in.empty() && only_in.find("," + std::to_string(::getpid()) + ",") == std::string::npos)
      throw Failure(LECTERN_INVALID, "these settings are of another process");
    if (slow_ms != 0) ::poll(nullptr, 0, static_cast<int>(slow_ms));
  }
  void reduce(std::string_view, const Room& room, const Event& event, Outcome& out) const override {
    if (event.kind == LECTERN_EVENT_INSTALLED && wrong_when_installed_) out.grant(999'999);
    if (event.kind == LECTERN_EVENT_JOINED && room.holder == 0) out.grant(event.who);
    if (event.kind == LECTERN_EVENT_JOINED && room.holder != 0) out.set_caps(event.who, LECTERN_CAP_INTERACT);
    if (event.kind == LECTERN_EVENT_RELEASED) out.vacate(event.who);
    if (event.kind != LECTERN_EVENT_REQUESTED) return;
    const Request* request = room.request(event.request);
    if (request == nullptr) return;
    const std::string_view how = request->reason;
    out.allow(event.request);
    if (how == "stranger") out.grant(999'999);
    if (how == "both") out.grant(room.holder);  // and the asker, by allowing
    if (how == "twice") out.deny(event.request, "and no");
    if (how == "garbage") out.notice(0, std::string("\xff\xfe", 2));
    std::string said;
    crash::try_it(how, said);
  }

 private:
  bool wrong_when_installed_ = false;
};

}  // namespace

LECTERN_PLUGIN(PolicyOf<Crashing>);
