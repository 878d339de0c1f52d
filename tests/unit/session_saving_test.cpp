// What is said of a notebook's file when something else happens while it is being saved.
#include "session/invocation.hpp"
#include "session/live_session.hpp"
#include "session/saver.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionSavingTest : public SessionTest {
 protected:
  void SetUp() override {
    Settings settings;
    settings.autosave = false;
    start(settings);
    tab_ = tab();
    tab_->await("replay-complete");
    ASSERT_TRUE(flag_of(tab_->command("save", "{}", 1), "ok"));
  }
  void TearDown() override {
    tab_.reset();
    SessionTest::TearDown();
  }
  Saver& saver() { return static_cast<LiveSession&>(*session_).saver(); }
  /// Saves a copy; `meanwhile` happens after a worker was handed it, and before the session hears how it went.
  Result<CommandReply> copy_to(const std::string& path, const std::function<void()>& meanwhile) {
    return ask<CommandReply>([&](Reply<CommandReply> reply) {
      tab_->on_loop([&] {
        Invocation invocation;
        invocation.body.set("path", path);
        invocation.reply = std::move(reply);
        saver().save(std::move(invocation));
        meanwhile();
      });
    });
  }
  json::Value said() {
    json::Value out;
    tab_->on_loop([&] { out = *json::parse(saver().state_json()); });
    return out;
  }
  std::string state() { return text_of(said(), "state"); }

  const Error lost_{503, "journal_failed", "the journal cannot be written", "", ""};
  std::unique_ptr<Tab> tab_;
};

TEST_F(SessionSavingTest, ACopySaysNothingOfTheNotebooksOwnFile) {
  EXPECT_EQ(state(), "saved");
  ASSERT_TRUE(copy_to("copy.ipynb", [] {}));
  EXPECT_EQ(state(), "saved");
  EXPECT_EQ(copy_to("../out.ipynb", [] {}).error().code, "outside_root");
  EXPECT_EQ(state(), "saved");
}

TEST_F(SessionSavingTest, AJournalThatFailsMeanwhileIsNotForgotten) {
  const auto fails = [&] { saver().journal_failed(lost_); };
  EXPECT_EQ(copy_to("../out.ipynb", fails).error().code, "outside_root");
  EXPECT_EQ(state(), "failed");
  EXPECT_EQ(error_code(said()), "journal_failed");
  ASSERT_TRUE(copy_to("copy.ipynb", fails));
  EXPECT_EQ(state(), "failed");
  tab_->on_loop([&] { saver().journal_works(); });
  EXPECT_EQ(state(), "dirty");
  EXPECT_EQ(error_code(said()), "");
}

TEST_F(SessionSavingTest, AJournalThatWorksAgainMeanwhileFailsNoMore) {
  tab_->on_loop([&] { saver().journal_failed(lost_); });
  EXPECT_EQ(copy_to("../out.ipynb", [&] { saver().journal_works(); }).error().code, "outside_root");
  EXPECT_EQ(state(), "dirty");
  EXPECT_EQ(error_code(said()), "");
}

TEST_F(SessionSavingTest, AChoiceThatIsOpenIsNotForgottenForACopy) {
  tab_->on_loop([&] { saver().conflicted({409, "conflict", "another program changed it", "", ""}); });
  ASSERT_TRUE(copy_to("copy.ipynb", [] {}));
  EXPECT_EQ(state(), "failed");
  EXPECT_EQ(error_code(said()), "conflict");
}

}  // namespace
}  // namespace lectern::session::testing
