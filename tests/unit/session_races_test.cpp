// Races that are settled by where they meet: those about the pen in the session's queue of policy events, those about
// who begins a session in the directory.
#include <atomic>

#include "session/live_session.hpp"
#include "session/policy_driver.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionRacesTest : public SessionTest {
 protected:
  LiveSession& live() { return static_cast<LiveSession&>(*session_); }
  Result<json::Value> swap(const std::string& policy, const std::string& config = "{}") {
    return ask<json::Value>([&](Reply<json::Value> reply) {
      session_->set_policy({policy, config, false, 0}, std::move(reply));
    });
  }
  std::size_t timers(Tab& tab) {
    std::size_t count = 0;
    tab.on_loop([&] { count = live().room().timers().size(); });
    return count;
  }
};

/// Changes the room in a turn of its own between any two others, for as long as somebody asks for the pen: so it has
/// changed whenever a decision comes back.
class Restless {
 public:
  explicit Restless(LiveSession& session) : session_(session) { again(); }
  [[nodiscard]] int asked() const { return asked_; }

 private:
  void again() {
    session_.loop().post([this] {
      const bool asks = !session_.room().requests().empty();
      if (asked_ != 0 && !asks) return;
      if (asks) ++asked_;
      session_.room().touch();
      again();
    });
  }
  LiveSession& session_;
  std::atomic<int> asked_{0};  // turns in which somebody asked
};

TEST_F(SessionRacesTest, ARoomThatMovesOnDuringEveryDecisionIsDeniedInTheEnd) {
  Settings patient;  // with a machine that stalls
  patient.policy_budget_ms = 5000;
  start(patient);
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  const Restless restless(live());
  const auto denied = second->command("takeover");
  second->settle();
  EXPECT_EQ(error_code(denied), "denied");
  EXPECT_NE(text_of(at(denied, {"error"}), "message").find("kept changing"), std::string::npos) << json::write(denied);
  EXPECT_GE(restless.asked(), 3) << "three times it decided anew";
  EXPECT_TRUE(flag_of(first->command("save", "{}", 1), "ok")) << "nobody lost anything";
  EXPECT_TRUE(flag_of(second->command("takeover"), "ok")) << "it is asked again";
}

TEST_F(SessionRacesTest, ASwapDropsTheTimersOfTheOldPolicyAndOneThatIsRefusedKeepsThem) {
  start({}, {fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-crashing"});
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  ASSERT_TRUE(swap("queue", R"({"turn_s":3600})"));
  EXPECT_TRUE(flag_of(second->command("takeover"), "ok")) << "in line";
  EXPECT_EQ(timers(*first), 1u) << "the end of the turn";
  const auto refused = swap("crashing-policy", R"({"installed":"wrong"})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "policy_refused") << refused.error().message;
  EXPECT_EQ(timers(*first), 1u);
  first->on_loop([&] { EXPECT_NE(live().room().shown().find("\"line\""), std::string::npos); });
  ASSERT_TRUE(swap("local-takeover"));
  EXPECT_EQ(timers(*first), 0u);
  first->on_loop([&] {
    EXPECT_EQ(live().room().shown(), "");
    EXPECT_EQ(live().policies().current()->id(), "local-takeover");
  });
}

TEST_F(SessionRacesTest, AGrantWaitsForItsEpochOnDiskAndWhatCameMeanwhileForIt) {
  Settings settings;
  settings.epoch_block = 1;  // every grant has to wait
  start(settings);
  std::vector<std::unique_ptr<Tab>> tabs;
  for (int i = 0; i < 3; ++i) {
    tabs.push_back(tab());
    tabs.back()->await("kernel-ready");
  }
  // The two without the pen take it, one while the other waits.
  for (std::uint64_t epoch = 2; epoch < 8; epoch += 2) {
    Tab &one = *tabs[(epoch - 1) % 3], &other = *tabs[epoch % 3];
    one.send(R"({"id":"one)" + std::to_string(epoch) + R"(","command":"takeover","body":{}})");
    other.send(R"({"id":"other)" + std::to_string(epoch) + R"(","command":"takeover","body":{}})");
    EXPECT_EQ(number_of(one.reply("one" + std::to_string(epoch)), "epoch"), epoch);
    EXPECT_EQ(number_of(other.reply("other" + std::to_string(epoch)), "epoch"), epoch + 1);
  }
  EXPECT_TRUE(flag_of(tabs[0]->command("save", "{}", 7), "ok"));
}

TEST_F(SessionRacesTest, WhoOpensANotebookThatItsReactorHasNotBegunIsToldOfItAsWhoOpenedItFirst) {
  start();
  host_->write("m.ipynb", small_notebook);
  std::promise<void> may_begin;
  host_->hold_reactors(may_begin.get_future().share());
  std::vector<std::future<ConnectionInfo>> told;
  const auto open = [&] {
    auto promise = std::make_shared<std::promise<ConnectionInfo>>();
    told.push_back(promise->get_future());
    host_->directory().open("m.ipynb", [promise](Result<SessionPtr> opened) {
      promise->set_value(opened ? (*opened)->connection_info() : ConnectionInfo());
    });
  };
  open();
  while (host_->directory().sessions().size() < 2) std::this_thread::yield();
  for (int i = 0; i < 8; ++i) open();
  EXPECT_FALSE(ask<SessionPtr>([&](Reply<SessionPtr> reply) {
    host_->directory().open("missing.ipynb", std::move(reply), {false, false});
  })) << "the workers have come past those above";
  may_begin.set_value();
  const auto first = told.front().get();
  EXPECT_FALSE(first.session_id.empty());
  for (std::size_t i = 1; i < told.size(); ++i) {
    const auto info = told[i].get();
    EXPECT_EQ(info.session_id, first.session_id);
    EXPECT_EQ(info.path, first.path);
    EXPECT_EQ(info.cell_count, 2u);
  }
}

TEST_F(SessionRacesTest, WhoWaitsForASessionToEndIsAnsweredAlsoWhenItsFileIsMovedMeanwhile) {
  start();
  auto editor = tab();
  editor->await("kernel-ready");
  ASSERT_TRUE(flag_of(
      editor->command("transaction", R"({"changes":[{"type":"set_source","cell_id":"a","source":"unsaved"}]})", 1),
      "ok"));
  const auto moved = host_->root() / "m.ipynb";
  const auto answer = ask<SessionPtr>([&](Reply<SessionPtr> reply) {
    editor->on_loop([&] {  // one turn: it saves, and cannot end
      live().end("SESSION_ENDED", [](const Result<bool>&) {});
      host_->directory().open("n.ipynb", std::move(reply), {false, false});
      host_->settle_workers();
      fs::rename(host_->root() / "n.ipynb", moved);
      EXPECT_TRUE(live().follow(moved.string()));
    });
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "not_found") << answer.error().message;
  editor->await_close();
  const auto again = host_->open("m.ipynb");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_NE(again, session_);
}

}  // namespace
}  // namespace lectern::session::testing
