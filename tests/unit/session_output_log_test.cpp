// What cells show, written down as it is told: what comes back, and when the file goes before it.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "../support/notebook_formats.hpp"
#include "base/crypto.hpp"
#include "base/workers.hpp"
#include "session/output_log.hpp"

namespace lectern::session {
namespace {

namespace fs = std::filesystem;

/// A session's side of the log: cells that show one stream each.
class OutputLogTest : public ::testing::Test {
 protected:
  void TearDown() override { log_.reset(); }

  std::map<std::string, std::string> open(bool same_history = true) {
    log_.reset();  // what it told is written by its end
    auto opened = OutputLog::open(writer_, folder_.path(), file_, same_history, blobs_, limits_);
    EXPECT_TRUE(opened.has_value());
    log_ = std::move(opened->log);
    log_->ask({[this] { return file_; }, [this](const std::string& id) { return shown_[id].size(); },
               [this](const std::string& id) {
                 return OutputLog::whole_entry(
                     shown_[id].empty() ? "[]"
                                        : R"([{"output_type":"stream","name":"stdout","text":")" + shown_[id] + "\"}]",
                     count_);
               },
               [this](const std::string& id) { return untold_.contains(id); }, [this] { ++asked_; },
               [this] { log_->flush(); }});
    std::map<std::string, std::string> back;
    for (auto& cell : opened->restored) back[cell.cell_id] = cell.outputs;
    return back;
  }
  void runs(const std::string& id) {
    shown_[id].clear();
    log_->changed(id, R"({"cell_id":"x","outputs":[{"op":"clear"}]})");
  }
  void says(const std::string& id, const std::string& text) {
    const bool first = shown_[id].empty();
    shown_[id] += text;
    log_->changed(id, first
                          ? R"({"outputs":[{"op":"append","output":{"output_type":"stream","name":"stdout","text":")" +
                                text + R"("}}]})"
                          : R"({"outputs":[{"op":"append_text","index":0,"text":")" + text + R"("}]})");
  }
  void save(const std::string& sum) {
    file_ = document::Fingerprint{sum, 1, 0};
    log_->saved();
  }
  static std::string stream(const std::string& text) {
    return R"([{"output_type":"stream","name":"stdout","text":[")" + text + "\"]}]";
  }
  [[nodiscard]] auto log_size() const { return fs::file_size(folder_ / "outputs.lj"); }

  test::TemporaryFolder folder_;
  Workers workers_{1};
  runtime::BlobStore blobs_{folder_.path() + "/blobs", workers_};
  document::JournalWriter writer_;
  OutputLog::Limits limits_;
  std::optional<document::Fingerprint> file_ = document::Fingerprint{"one", 1, 0};
  std::map<std::string, std::string> shown_;
  std::set<std::string> untold_;
  std::optional<std::int64_t> count_ = 7;
  int asked_ = 0;
  std::unique_ptr<OutputLog> log_;
};

TEST_F(OutputLogTest, BringsBackWhatWasTold) {
  EXPECT_TRUE(open().empty());
  runs("a");
  says("a", "x");
  says("a", "y");
  says("b", "of a cell that showed nothing before");
  EXPECT_EQ(asked_, 1) << "one pause for all that is told in it";
  const auto back = open();
  EXPECT_EQ(back.at("a"), stream("xy"));
  EXPECT_EQ(back.size(), 2U);
  says("a", "z");
  EXPECT_EQ(open().at("a"), stream("xyz")) << "a second end goes on with the same log";
}

TEST_F(OutputLogTest, BeginsWithAllThatACellShowsAlready) {
  (void)open();
  shown_["a"] = "of the file, ";
  says("a", "and more");
  EXPECT_EQ(open().at("a"), stream("of the file, and more"));
}

TEST_F(OutputLogTest, WhatTheFileHasCountsNoMore) {
  (void)open();
  says("a", "saved");
  log_->save_begins();
  says("b", "meanwhile");
  save("two");
  says("c", "after");
  const auto back = open();
  EXPECT_FALSE(back.contains("a"));
  EXPECT_EQ(back.at("b"), stream("meanwhile"));
  EXPECT_EQ(back.at("c"), stream("after"));
}

TEST_F(OutputLogTest, AFileThatIsPutBackStaysWithoutWhatTheLogHadOfIt) {
  (void)open();
  says("a", "saved");
  log_->save_begins();
  save("two");
  log_->flush();
  file_ = document::Fingerprint{"one", 1, 0};  // by version control, say
  EXPECT_TRUE(open().empty());
}

TEST_F(OutputLogTest, ASaveThatFailsChangesNothing) {
  (void)open();
  says("a", "x");
  log_->save_begins();
  says("a", "y");
  log_->not_saved();
  EXPECT_EQ(open().at("a"), stream("xy"));
}

TEST_F(OutputLogTest, AFileThatIsAnotherGoesBeforeIt) {
  (void)open();
  says("a", "x");
  log_->flush();
  file_ = document::Fingerprint{"by somebody else", 1, 0};
  EXPECT_TRUE(open().empty());
  file_ = document::Fingerprint{"one", 1, 0};
  EXPECT_EQ(open().size(), 1U) << "nothing was written, so nothing was given up";
  EXPECT_TRUE(open(false).empty()) << "of another history";
}

TEST_F(OutputLogTest, FollowsAFileThatWasMerged) {
  (void)open();
  says("a", "x");
  says("b", "y");
  file_ = document::Fingerprint{"merged", 1, 0};
  log_->forget("b");
  says("a", "z");
  const auto back = open();
  EXPECT_EQ(back.at("a"), stream("xz"));
  EXPECT_FALSE(back.contains("b"));
}

TEST_F(OutputLogTest, FollowsAFileThatWasMergedThoughNobodySaysAnythingMore) {
  open();
  runs("a");
  says("a", "ours");
  file_ = document::Fingerprint{"theirs", 1, 0};
  log_->file_merged();
  EXPECT_EQ(open().at("a"), stream("ours"));
}

TEST_F(OutputLogTest, WhatViewersWereNotToldOfAtAMergeIsNotThereTwice) {
  open();
  runs("a");
  says("a", "x");
  runs("b");
  says("b", "1");
  // Both say more; "a" is told first, and the file was merged meanwhile.
  shown_["b"] += "2";
  untold_ = {"b"};
  file_ = document::Fingerprint{"theirs", 1, 0};
  says("a", "y");
  untold_.clear();
  log_->changed("b", R"({"outputs":[{"op":"append_text","index":0,"text":"2"}]})");
  const auto back = open();
  EXPECT_EQ(back.at("a"), stream("xy"));
  EXPECT_EQ(back.at("b"), stream("12"));
}

TEST_F(OutputLogTest, ACellThatShowsTheFilesOutputsDoesNotComeBackWithOurs) {
  open();
  runs("a");
  says("a", "ours");
  log_->forget("a");
  EXPECT_TRUE(open().empty());
  runs("a");
  says("a", "again");
  log_->forget("a");
  shown_["a"].clear();
  says("a", "later");  // no run: a cell that came back by undo has nothing to clear
  EXPECT_EQ(open().at("a"), stream("later"));
}

TEST_F(OutputLogTest, OfAnotherContentItDoesNotComeBackAfterASave) {
  open();
  runs("a");
  says("a", "of one");
  file_ = document::Fingerprint{"two", 1, 0};
  EXPECT_TRUE(open().empty());
  save("three");
  file_ = document::Fingerprint{"one", 1, 0};  // somebody put it back
  EXPECT_TRUE(open().empty());
}

TEST_F(OutputLogTest, OfWhatWasMergedOverItDoesNotComeBackAfterASave) {
  limits_.cell = 4;
  open();
  runs("a");
  says("a", "ours");
  says("a", "and more than is written down at once");
  file_ = document::Fingerprint{"merged", 1, 0};
  log_->file_merged();  // nothing of it is written: there is too much
  save("three");
  file_ = document::Fingerprint{"one", 1, 0};
  EXPECT_TRUE(open().empty());
}

TEST_F(OutputLogTest, ACutCellThatShowsTheFilesOutputsDoesNotComeBack) {
  limits_.waiting = 600;
  open();
  runs("a");
  says("a", std::string(400, 'x'));
  says("a", std::string(400, 'y'));
  EXPECT_NE(open().at("a").find("was lost"), std::string::npos);
  log_->forget("a");
  EXPECT_TRUE(open().empty());
}

TEST_F(OutputLogTest, NamesTheOutputsThatAreKeptBesideAFile) {
  file_ = document::Fingerprint{"text", 1, 0, "before"};
  open();
  runs("a");
  says("a", "old");
  log_->flush();
  // A save of a script changes only what lies beside it, and the host is killed before the log says so.
  file_->outputs = "after";
  EXPECT_TRUE(open().empty());
}

TEST_F(OutputLogTest, IsCutWhereItWouldBecomeLarge) {
  limits_.cell = 100;
  limits_.waiting = 1000;
  (void)open();
  shown_["large"] = std::string(200, 'l');
  says("large", "more");
  runs("long");
  says("long", "begin ");
  says("long", std::string(2000, 'x'));
  says("long", "tail");
  const auto back = open();
  EXPECT_FALSE(back.contains("large")) << "the file says what it showed";
  EXPECT_NE(back.at("long").find("begin "), std::string::npos);
  EXPECT_NE(back.at("long").find("was lost"), std::string::npos);
  EXPECT_EQ(back.at("long").find("tail"), std::string::npos);
  runs("long");
  says("long", "anew");
  EXPECT_EQ(open().at("long"), stream("anew"));
}

TEST_F(OutputLogTest, DoesNotStayLarge) {
  limits_.rewrite = 10'000;
  (void)open();
  for (int save_number = 0; save_number < 50; ++save_number) {
    log_->save_begins();
    says("a", std::string(1000, 'x'));
    save(std::to_string(save_number));
    shown_["a"].clear();
  }
  log_.reset();
  (void)document::Journal::recover(folder_.path(), "outputs");  // what is queued is written first
  EXPECT_LT(log_size(), 20'000U);
}

TEST_F(OutputLogTest, DamageIsNothingSaid) {
  (void)open();
  says("a", "x");
  log_.reset();
  (void)document::Journal::recover(folder_.path(), "outputs");
  {
    std::fstream file(folder_ / "outputs.lj", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(30);
    file.put('?');
  }
  EXPECT_TRUE(open().empty());
  says("b", "y");
  EXPECT_EQ(open().at("b"), stream("y"));
}

TEST_F(OutputLogTest, APlotThatCannotBeReadStaysInIt) {
  (void)open();
  const std::string plot = "bytes of a plot", sha256 = crypto::sha256_hex(plot);
  runs("a");
  log_->changed("a", R"({"outputs":[{"op":"append","output":{"output_type":"display_data","metadata":{},"data":)"
                     R"({"text/plain":{"$blob":")" +
                         sha256 + R"(","size":15}}}}]})");
  log_.reset();
  const auto file = blobs_.directory() / sha256.substr(0, 2) / sha256.substr(2);
  fs::create_directories(file);  // whoever reads it gets an error
  for (int i = 0; i < 2; ++i) {
    const auto refused = OutputLog::open(writer_, folder_.path(), file_, true, blobs_, limits_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, "blob_unreadable") << refused.error().message;
  }
  fs::remove(file);
  { (void)runtime::BlobStore(blobs_.directory(), workers_).put(plot, "text/plain"); }
  EXPECT_NE(open().at("a").find(plot), std::string::npos);
}

TEST_F(OutputLogTest, ADiskThatRefusesIsAskedAgainWithTheNextSave) {
  (void)open();
  fs::create_directory(folder_ / "outputs.lj");  // the log cannot take this place
  says("a", "x");
  log_->flush();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (writer_.figures().failures == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  ASSERT_GT(writer_.figures().failures, 0U);
  fs::remove(folder_ / "outputs.lj");
  for (int next = 2; !fs::exists(folder_ / "outputs.lj") && std::chrono::steady_clock::now() < deadline; ++next) {
    save(std::to_string(next));
    log_->flush();
    std::this_thread::yield();
  }
  EXPECT_TRUE(open().empty());
  shown_["a"].clear();
  says("a", "y");
  EXPECT_EQ(open().at("a"), stream("y"));
}

}  // namespace
}  // namespace lectern::session
