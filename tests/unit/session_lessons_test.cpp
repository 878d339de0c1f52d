// What hosts of several tabs got wrong before this one, each as a test: a tab that only watches and displaces the
// editor, sessions that outlive everybody after a takeover or end under those who watch, rights that go with whoever
// opened it.
#include "session/live_session.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionLessonsTest : public SessionTest {
 protected:
  void TearDown() override {
    first_.reset();
    second_.reset();
    SessionTest::TearDown();
  }
  /// Two tabs that came in this order, the second with the pen.
  void taken_over() {
    first_ = tab();
    second_ = tab();
    first_ready_ = first_->await("kernel-ready");
    second_ready_ = second_->await("kernel-ready");
    ASSERT_TRUE(flag_of(second_->command("takeover"), "ok"));
  }
  /// From now on, with somebody here: a busy machine must not end the session before.
  void end_soon_when_left(Tab& here) {
    here.on_loop(
        [this] { const_cast<Settings&>(static_cast<LiveSession&>(*session_).settings()).session_ttl_ms = 20; });
  }
  std::unique_ptr<Tab> back(const Received& ready, std::string query = "{}") {
    Tab::How how(std::move(query));
    how.key = Tab::key_of(ready);
    return tab(std::move(how));
  }
  std::string editor(Tab& asked) { return text_of(at(asked.command("room"), {"room", "editor"}), "client_id"); }
  static std::string id_of(const Received& ready) { return text_of(at(ready.data, {"client"}), "id"); }
  std::unique_ptr<Tab> first_, second_;
  Received first_ready_, second_ready_;
};

TEST_F(SessionLessonsTest, TheEditorsOwnTabThatOnlyWatchesLeavesTheRoomUsable) {
  start();
  auto first = tab(), second = tab();
  const auto ready = first->await("kernel-ready");
  second->await("kernel-ready");
  auto watching = back(ready, R"({"view_only":"1"})");
  const auto seen = watching->await("kernel-ready");
  EXPECT_EQ(first->await_close().first, 4001);
  EXPECT_FALSE(edits(seen.data)) << "it asked to watch";
  EXPECT_EQ(editor(*second), "") << "the pen is free, not with somebody who cannot use it";
  ASSERT_TRUE(flag_of(second->command("takeover"), "ok"));
  ASSERT_TRUE(flag_of(second->command("save", "{}", 2), "ok"));
  watching->await("room-state");
  watching->cut(true);
  EXPECT_TRUE(flag_of(second->command("save", "{}", 2), "ok")) << "whose leaving takes nothing along";
  auto third = tab();
  EXPECT_FALSE(edits(third->await("kernel-ready").data));
  EXPECT_EQ(host_->directory().sessions().size(), 1u) << "nobody starts another one for the file";
}

TEST_F(SessionLessonsTest, AFormerEditorThatReconnectsIsAReaderAndClosesNobody) {
  start();
  taken_over();
  first_->cut(false);
  auto again = back(first_ready_);
  const auto ready = again->await("kernel-ready");
  EXPECT_FALSE(edits(ready.data)) << "what it may do is said anew on every connection";
  EXPECT_TRUE(flag_of(at(ready.data, {"consumer_capabilities"}), "interact"));
  EXPECT_EQ(editor(*again), id_of(second_ready_));
  EXPECT_FALSE(second_->closed());
  // The same of a reader whose old socket is half open.
  auto twice = back(first_ready_);
  EXPECT_FALSE(edits(twice->await("kernel-ready").data));
  EXPECT_EQ(again->await_close().first, 4001);
  EXPECT_FALSE(second_->closed());
  EXPECT_TRUE(flag_of(second_->command("save", "{}", 2), "ok"));
}

TEST_F(SessionLessonsTest, WhoGotThePenManagesTheSessionAlsoWhenWhoOpenedItHasLeft) {
  start();
  taken_over();
  EXPECT_EQ(error_code(first_->command("restart", "{}", 1)), "stale_epoch");
  first_->cut(true);
  EXPECT_EQ(error_code(second_->command("restart", "{}", 2)), "no_kernel") << "it may: there is only none";
  EXPECT_TRUE(flag_of(second_->command("save", "{}", 2), "ok"));
  const auto ended =
      ask<bool>([&](Reply<bool> reply) { host_->directory().end(session_->id(), "SESSION_ENDED", std::move(reply)); });
  ASSERT_TRUE(ended);
  EXPECT_EQ(second_->await_close().second, "SESSION_ENDED");
}

TEST_F(SessionLessonsTest, AfterATakeoverASessionEndsWithTheLastOneWhoeverThatIs) {
  Settings settings;
  settings.reservation_closed_ms = 20;
  start(settings);
  taken_over();
  end_soon_when_left(*first_);
  first_->cut(true);
  second_->cut(true);
  session_.reset();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!host_->directory().list().empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(host_->directory().list().empty());
}

TEST_F(SessionLessonsTest, ASessionLivesAsLongAsSomebodyWatches) {
  Settings settings;
  settings.reservation_closed_ms = settings.reservation_lost_ms = 20;
  start(settings);
  auto editor = tab();
  editor->await("kernel-ready");
  auto watching = tab(Tab::How(R"({"view_only":"1"})"));
  watching->await("kernel-ready");
  end_soon_when_left(*watching);
  editor->cut(true);
  watching->await([](const Received& one) { return one.op == "room-state" && at(one.data, {"editor"}).is_null(); },
                  "room-state without an editor");
  // A timer of the same loop that is due after any the session could have set until now.
  std::promise<void> later;
  Timer timer(session_->loop());
  watching->on_loop([&] { timer.start(std::chrono::milliseconds(60), [&] { later.set_value(); }); });
  later.get_future().wait();
  EXPECT_FALSE(watching->closed());
  EXPECT_TRUE(flag_of(watching->command("room"), "ok"));
  watching->on_loop([&] { timer.cancel(); });
}

}  // namespace
}  // namespace lectern::session::testing
