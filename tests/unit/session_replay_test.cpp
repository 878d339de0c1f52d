// What a joiner is told while outputs that take time to read are read, and while its socket takes them.
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionReplayTest : public SessionTest {
 protected:
  /// A notebook of code cells c0, c1, … with one output of `bytes` each, which tells its number.
  static std::string notebook(int cells, std::size_t bytes) {
    std::string text = R"({"cells":[)";
    for (int i = 0; i < cells; ++i) {
      const auto number = std::to_string(i);
      text += std::string(i == 0 ? "" : ",") + R"({"cell_type":"code","execution_count":null,"id":"c)" + number +
              R"(","metadata":{},"outputs":[{"output_type":"display_data","metadata":{"number":)" + number +
              R"(},"data":{"text/plain":")" + std::string(bytes, 'o') + R"("}}],"source":["x"]})";
    }
    return text + R"(],"metadata":{},"nbformat":4,"nbformat_minor":5})";
  }
  /// No worker reads anything before host_->build().
  void start_unread(const std::string& text) {
    host_ = std::make_unique<Host>(folder_.path());
    host_->write("n.ipynb", text);
    auto opened = host_->open_unbuilt("n.ipynb");
    ASSERT_TRUE(opened) << opened.error().message;
    session_ = *opened;
  }
  void start_with(const std::string& text, Settings settings) {
    fs::create_directories(folder_.path() / "root");
    std::ofstream(folder_.path() / "root" / "n.ipynb") << text;
    settings.autosave = false;
    start(settings);
  }
  /// What came since the last kernel-ready: a word for each frame that matters here.
  static std::vector<std::string> story(Tab& tab) {
    std::vector<std::string> out;
    for (const auto& one : tab.all()) {
      if (one.op == "kernel-ready") out.clear();
      if (one.op == "kernel-ready" || one.op == "replay-complete" || one.op == "notebook-document-transaction") {
        out.push_back(one.op);
      } else if (one.op == "cell-op") {
        const auto outputs = at(one.data, {"outputs"});
        const auto& list = *outputs.as_array();
        const bool appends = !list.empty() && text_of(list.back(), "op") == "append";
        out.push_back(text_of(one.data, "cell_id") + (appends ? " full" : " empty"));
      }
    }
    return out;
  }
  static std::vector<std::string> whole(int cells) {
    std::vector<std::string> out{"kernel-ready"};
    for (int i = 0; i < cells; ++i) out.push_back("c" + std::to_string(i) + " full");
    out.emplace_back("replay-complete");
    return out;
  }
};

TEST_F(SessionReplayTest, NobodyWaitsForOutputsToBeReadAndEventsKeepTheirPlace) {
  start_unread(notebook(2, 100'000));
  auto editor = tab();
  const auto ready = editor->await("kernel-ready");
  EXPECT_EQ(at(ready.data, {"notebook", "cells"}).as_array()->size(), 2u);
  auto reader = tab();
  reader->await("kernel-ready");
  // The moment a joiner sees is the one it came in: what happens now comes after it.
  editor->send(R"({"id":"x","command":"clear_outputs","epoch":1,"body":{"cell_ids":["c0"]}})");
  editor->settle();
  auto late = tab();
  late->await("kernel-ready");
  late->settle();
  EXPECT_EQ(story(*editor), std::vector<std::string>{"kernel-ready"});
  EXPECT_EQ(story(*reader), std::vector<std::string>{"kernel-ready"});
  host_->build();
  EXPECT_TRUE(flag_of(editor->reply("x"), "ok"));
  reader->await([](const Received& one) { return one.op == "cell-op" && one.seq.has_value(); }, "clear");
  late->await("replay-complete");
  auto expected = whole(2);
  expected.emplace_back("c0 empty");
  EXPECT_EQ(story(*editor), expected);
  EXPECT_EQ(story(*reader), expected);
  EXPECT_EQ(story(*late), (std::vector<std::string>{"kernel-ready", "c1 full", "replay-complete"}));

  std::optional<std::uint64_t> began, complete, cleared;
  std::string blob;
  for (const auto& one : reader->all()) {
    if (one.op == "kernel-ready") began = number_of(one.data, "seq");
    if (one.op == "replay-complete") complete = number_of(one.data, "seq");
    if (one.op == "cell-op" && one.seq) cleared = one.seq;
    if (one.op == "cell-op" && !one.seq) {
      const auto outputs = at(one.data, {"outputs"});
      blob = text_of(at(outputs.as_array()->back(), {"output", "data", "text/plain"}), "$blob");
    }
  }
  EXPECT_EQ(began, complete) << "a snapshot is of one moment";
  EXPECT_EQ(cleared, *complete + 1) << "nothing is lost between it and the first event";
  const auto known = ask<bool>([&](Reply<bool> reply) { session_->has_blob(blob, std::move(reply)); });
  ASSERT_TRUE(known);
  EXPECT_TRUE(*known) << "who was told of a blob may fetch it";
}

TEST_F(SessionReplayTest, ASlowSocketGetsItPieceByPieceAndEditsAfterIt) {
  start_with(notebook(40, 20'000), {});
  auto editor = tab();
  EXPECT_EQ((editor->await("replay-complete"), story(*editor)), whole(40));
  auto slow = std::make_unique<Tab>(session_, Tab::How{}, "kernel-ready");
  slow->tie();
  slow->await("kernel-ready");
  ASSERT_TRUE(flag_of(
      editor->command("transaction", R"({"changes":[{"type":"set_source","cell_id":"c0","source":"y"}]})", 1), "ok"));
  slow->settle();
  EXPECT_LT(slow->all().size(), 8u) << "the rest is not even written yet";
  slow->read_on();
  slow->await("notebook-document-transaction");
  auto expected = whole(40);
  expected.emplace_back("notebook-document-transaction");
  EXPECT_EQ(story(*slow), expected);
}

TEST_F(SessionReplayTest, TooSlowInTheFirstSnapshotGetsAFreshOne) {
  Settings settings;
  settings.queue_bytes = 100'000;
  start_with(notebook(20, 20'000), settings);
  auto editor = tab();
  editor->await("replay-complete");
  auto slow = std::make_unique<Tab>(session_, Tab::How{}, "kernel-ready");
  slow->tie();
  slow->await("kernel-ready");
  for (int i = 0; i < 4; ++i) {
    const auto source = std::string(40'000, static_cast<char>('a' + i));
    ASSERT_TRUE(flag_of(
        editor->command("transaction",
                        R"({"changes":[{"type":"set_source","cell_id":"c0","source":")" + source + R"("}]})", 1),
        "ok"));
  }
  slow->read_on();
  slow->await("resync");
  const auto ready = slow->await("kernel-ready");
  EXPECT_EQ(text_of((*at(ready.data, {"notebook", "cells"}).as_array())[0], "source"), std::string(40'000, 'd'));
  slow->await("replay-complete");
  EXPECT_EQ(story(*slow), whole(20));
  std::size_t complete = 0;
  for (const auto& one : slow->all()) complete += one.op == "replay-complete" ? 1 : 0;
  EXPECT_EQ(complete, 1u) << "the one that was broken off was never complete";
  EXPECT_FALSE(slow->closed());
}

TEST_F(SessionReplayTest, WhoLeavesInTheMiddleHoldsNobodyUp) {
  start_unread(notebook(3, 100'000));
  auto gone = tab(), stays = tab();
  gone->await("kernel-ready");
  stays->await("kernel-ready");
  gone->cut(false);
  host_->build();
  stays->await("replay-complete");
  EXPECT_EQ(story(*stays), whole(3));
}

}  // namespace
}  // namespace lectern::session::testing
