// Somebody else writes, deletes or moves the file of a live session.
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

std::string set_a(const std::string& text) {
  return R"({"changes":[{"type":"set_source","cell_id":"a","source":")" + text + R"("}]})";
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what << " is not in " << text;
  return text.replace(at, what.size(), with);
}

class OutsideTest : public SessionTest {
 protected:
  void begin(int autosave_ms = 20) {
    Settings settings;
    settings.autosave = autosave_ms > 0;
    settings.autosave_after_ms = autosave_ms;
    start(settings);
    tab_ = tab();
    ready_ = tab_->await("kernel-ready");
  }
  /// Another program writes the file, through a rename as git and most editors do.
  void outside(const std::string& text) {
    host_->write(".other", text);
    fs::rename(host_->root() / ".other", host_->root() / "n.ipynb");
  }
  json::Value transaction(const std::string& source = "file") {
    return tab_
        ->await(
            [&](const Received& one) {
              return one.op == "notebook-document-transaction" &&
                     text_of(at(one.data, {"transaction"}), "source") == source;
            },
            "transaction from the " + source)
        .data;
  }
  json::Value state(const std::string& name) {
    return tab_
        ->await([&](const Received& one) { return one.op == "save-state" && text_of(one.data, "state") == name; }, name)
        .data;
  }
  json::Value edit(const std::string& text) { return tab_->command("transaction", set_a(text), 1); }
  std::string cells() {
    auto late = tab();
    const auto ready = late->await("kernel-ready");
    std::string out;
    const auto list = at(ready.data, {"notebook", "cells"});
    for (const auto& cell : *list.as_array()) {
      out += (out.empty() ? "" : " ") + text_of(cell, "id") + "=" + text_of(cell, "source");
    }
    return out;
  }
  void TearDown() override {
    tab_.reset();
    SessionTest::TearDown();
  }
  std::unique_ptr<Tab> tab_;
  Received ready_;
};

TEST_F(OutsideTest, AnEditOfTheFileIsAnEditOfTheDocument) {
  begin();
  outside(replaced(small_notebook, "x = 1", "x = 2"));
  const auto data = transaction();
  const auto changes = at(data, {"transaction", "changes"});
  ASSERT_NE(changes.as_array(), nullptr);
  EXPECT_EQ(text_of((*changes.as_array())[0], "source"), "x = 2");
  state("saved");
  EXPECT_EQ(cells(), "a=x = 2 b=hello");
  EXPECT_EQ(host_->read("n.ipynb"), replaced(small_notebook, "x = 1", "x = 2")) << "and it is not written again";
}

TEST_F(OutsideTest, EditsOfDifferentCellsAreMergedAndSaved) {
  begin(0);
  edit("ours");
  outside(replaced(small_notebook, "hello", "theirs"));
  transaction();
  const auto saved = tab_->command("save", "{}", 1);
  EXPECT_TRUE(flag_of(saved, "ok")) << json::write(saved);
  EXPECT_EQ(cells(), "a=ours b=theirs");
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
  EXPECT_NE(host_->read("n.ipynb").find("theirs"), std::string::npos);
}

TEST_F(OutsideTest, ASaveThatComesFirstMergesToo) {
  begin(0);
  edit("ours");
  outside(replaced(small_notebook, "hello", "theirs"));
  const auto saved = tab_->command("save", "{}", 1);
  EXPECT_TRUE(flag_of(saved, "ok")) << json::write(saved);
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
  EXPECT_NE(host_->read("n.ipynb").find("theirs"), std::string::npos);
}

class ConflictTest : public OutsideTest {
 protected:
  /// Cell a is changed on both sides; nothing is saved by itself.
  json::Value collide() {
    begin(0);
    edit("ours");
    theirs_ = replaced(small_notebook, "x = 1", "theirs");
    outside(theirs_);
    return tab_->await("conflict").data;
  }
  json::Value resolve(const std::string& choice) {
    return tab_->command("resolve", R"({"choices":[{"cell_id":"a","choice":")" + choice + R"("}]})", 1);
  }
  /// The last word about the conflict, said before the reply, is that there is none.
  bool over() {
    json::Value choices;
    for (const auto& one : tab_->all()) {
      if (one.op == "conflict") choices = at(one.data, {"choices"});
    }
    return choices.as_array() != nullptr && choices.as_array()->empty();
  }
  void expect_over(const json::Value& reply) {
    EXPECT_TRUE(flag_of(reply, "ok")) << json::write(reply);
    EXPECT_EQ(number_of(reply, "left"), 0u);
    EXPECT_TRUE(over());
    const auto saved = tab_->command("save", "{}", 1);
    EXPECT_TRUE(flag_of(saved, "ok")) << json::write(saved);
  }
  std::string theirs_;
};

TEST_F(ConflictTest, BothSidesAreShownAndKept) {
  const auto data = collide();
  const auto cell = (*at(data, {"cells"}).as_array())[0];
  EXPECT_EQ(text_of(cell, "cell_id"), "a");
  EXPECT_EQ(text_of(cell, "kind"), "both_edited");
  EXPECT_EQ(text_of(at(cell, {"theirs"}), "source"), "theirs");
  EXPECT_EQ(error_code(tab_->command("save", "{}", 1)), "conflict");
  EXPECT_EQ(host_->read("n.ipynb"), theirs_);
  EXPECT_EQ(cells(), "a=ours b=hello");
  auto late = tab();
  late->await("conflict");
}

TEST_F(ConflictTest, OursMayBeChosen) {
  collide();
  expect_over(resolve("ours"));
  EXPECT_EQ(cells(), "a=ours b=hello");
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
}

TEST_F(ConflictTest, TheirsMayBeChosen) {
  collide();
  expect_over(resolve("theirs"));
  EXPECT_EQ(cells(), "a=theirs b=hello");
  EXPECT_EQ(host_->read("n.ipynb"), theirs_);
}

TEST_F(ConflictTest, OrBoth) {
  collide();
  expect_over(resolve("both"));
  const auto all = cells();
  EXPECT_TRUE(all.starts_with("a=ours ")) << all;
  EXPECT_NE(all.find("=theirs b=hello"), std::string::npos) << all;
}

TEST_F(ConflictTest, AWrongChoiceChangesNothing) {
  collide();
  EXPECT_EQ(error_code(resolve("mine")), "bad_request");
  EXPECT_EQ(error_code(tab_->command("resolve", R"({"choices":[{"cell_id":"b","choice":"ours"}]})", 1)), "no_conflict");
  EXPECT_EQ(error_code(tab_->command("resolve", R"({"choices":[7]})", 1)), "bad_request");
  EXPECT_EQ(cells(), "a=ours b=hello");
}

TEST_F(ConflictTest, OverwritingChoosesOurs) {
  collide();
  const auto forced = tab_->command("save", R"({"overwrite":true})", 1);
  EXPECT_TRUE(flag_of(forced, "ok")) << json::write(forced);
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
  EXPECT_TRUE(over());
}

TEST_F(ConflictTest, NamingTheFileIsNoChoice) {
  collide();
  EXPECT_EQ(error_code(tab_->command("save", R"({"path":"n.ipynb"})", 1)), "conflict");
  EXPECT_EQ(host_->read("n.ipynb"), theirs_);
  const auto copy = tab_->command("save", R"({"path":"copy.ipynb"})", 1);
  EXPECT_TRUE(flag_of(copy, "ok")) << json::write(copy);
  EXPECT_EQ(cells(), "a=ours b=hello");
  const auto forced = tab_->command("save", R"({"path":"n.ipynb","overwrite":true})", 1);
  EXPECT_TRUE(flag_of(forced, "ok")) << json::write(forced);
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
}

// An edit waits for the journal while a worker makes what was chosen: two batches, and the reply comes after both.
TEST_F(ConflictTest, ALongChoiceIsMadeWhenItIsAnswered) {
  begin(0);
  edit("ours");
  std::string lines;
  for (int i = 0; i < 8'000; ++i) lines += "line " + std::to_string(i) + " of many \\n";
  outside(replaced(small_notebook, "x = 1", lines));
  tab_->await("conflict");
  CommandRequest small{Tab::key_of(ready_), "transaction", 1, {}, {}, {}, 3, "owner"};
  small.body = *json::parse(R"({"changes":[{"type":"set_source","cell_id":"b","source":"small"}]})");
  CommandRequest large{Tab::key_of(ready_), "resolve", 1, {}, {}, {}, 3, "owner"};
  large.body = *json::parse(R"({"choices":[{"cell_id":"a","choice":"theirs"}]})");
  std::promise<bool> answered;
  tab_->on_loop([&] {
    session_->command(std::move(small), [](Result<CommandReply>) {});
    session_->command(std::move(large), [&](Result<CommandReply> reply) { answered.set_value(reply.has_value()); });
  });
  ASSERT_TRUE(answered.get_future().get());
  tab_->settle();
  bool told = false;
  for (const auto& one : tab_->all()) {
    told = told ||
           (one.op == "notebook-document-transaction" && text_of(at(one.data, {"transaction"}), "source") == "file");
  }
  EXPECT_TRUE(told);
}

// A worker makes them one after the other; the answer, and what it says of the file, come after the last one.
TEST_F(ConflictTest, SeveralLongChoicesAreAllMadeWhenTheyAreAnswered) {
  begin(0);
  edit("ours");
  ASSERT_TRUE(flag_of(
      tab_->command("transaction", R"({"changes":[{"type":"set_source","cell_id":"b","source":"ours too"}]})", 1),
      "ok"));
  std::string lines;
  for (int i = 0; i < 8'000; ++i) lines += "line " + std::to_string(i) + " of many \\n";
  outside(replaced(replaced(small_notebook, "x = 1", "first " + lines), "hello", "second " + lines));
  tab_->await("conflict");
  const auto reply = tab_->command(
      "resolve", R"({"choices":[{"cell_id":"a","choice":"theirs"},{"cell_id":"b","choice":"theirs"}]})", 1);
  EXPECT_TRUE(flag_of(reply, "ok")) << json::write(reply);
  int told = 0;
  for (const auto& one : tab_->all()) {
    if (one.op == "reply" && text_of(one.data, "id") == text_of(reply, "id")) break;
    told +=
        one.op == "notebook-document-transaction" && text_of(at(one.data, {"transaction"}), "source") == "file" ? 1 : 0;
  }
  EXPECT_EQ(told, 2);
}

// Its text can be read, but it cannot be a document: what the other program wrote stays until somebody chooses.
TEST_F(OutsideTest, WhatTheDocumentDoesNotTakeIsNotOverwritten) {
  begin();
  const auto deep = std::string(80, '[') + std::string(80, ']');
  const auto theirs = replaced(replaced(small_notebook, "hello", "deep"), R"("id":"b","metadata":{})",
                               R"("id":"b","metadata":{"x":)" + deep + "}");
  outside(theirs);
  const auto data = tab_->await("conflict").data;
  EXPECT_TRUE(at(data, {"cells"}).as_array()->empty());
  EXPECT_NE(text_of(data, "message").find("cannot be merged"), std::string::npos) << json::write(data);
  edit("ours");
  EXPECT_EQ(error_code(tab_->command("save", "{}", 1)), "conflict");
  EXPECT_EQ(host_->read("n.ipynb"), theirs);
  outside(theirs);  // the same once more
  tab_->await("conflict");
  EXPECT_EQ(host_->read("n.ipynb"), theirs);
  outside(replaced(small_notebook, "hello", "theirs"));
  state("saved");
  EXPECT_EQ(cells(), "a=ours b=theirs");
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
}

TEST_F(OutsideTest, AFileThatCannotBeReadWaitsUntilItCan) {
  begin(0);
  edit("ours");
  outside("<<<<<<< HEAD\n");
  const auto data = tab_->await("conflict").data;
  EXPECT_TRUE(at(data, {"cells"}).as_array()->empty());
  EXPECT_EQ(error_code(tab_->command("save", "{}", 1)), "conflict");
  EXPECT_EQ(host_->read("n.ipynb"), "<<<<<<< HEAD\n");
  outside(replaced(small_notebook, "hello", "theirs"));
  transaction();
  const auto saved = tab_->command("save", "{}", 1);
  EXPECT_TRUE(flag_of(saved, "ok")) << json::write(saved);
  EXPECT_EQ(cells(), "a=ours b=theirs");
}

TEST_F(OutsideTest, OutputsOfAnotherRunAreShownToThoseWhoAreHere) {
  begin();
  outside(replaced(
      small_notebook, R"("execution_count":null,"id":"a","metadata":{},"outputs":[])",
      R"("execution_count":7,"id":"a","metadata":{},"outputs":[{"name":"stdout","output_type":"stream","text":["ran elsewhere"]}])"));
  const auto data = tab_->await("cell-op").data;
  EXPECT_EQ(text_of(data, "cell_id"), "a");
  EXPECT_EQ(number_of(data, "execution_count"), 7u);
  EXPECT_NE(json::write(data).find("ran elsewhere"), std::string::npos);
  const auto saved = tab_->command("save", "{}", 1);
  EXPECT_TRUE(flag_of(saved, "ok"));
  EXPECT_NE(host_->read("n.ipynb").find("ran elsewhere"), std::string::npos);
}

TEST_F(OutsideTest, OutputsOfANewCellComeAfterTheCell) {
  begin();
  const std::string made = R"({"cell_type":"code","execution_count":1,"id":"new","metadata":{},"outputs":[)"
                           R"({"name":"stdout","output_type":"stream","text":["elsewhere"]}],"source":["2"]},)";
  const std::string before = R"({"cell_type":"markdown")";
  outside(replaced(small_notebook, before, made + before));
  transaction();
  const auto data = tab_->await("cell-op").data;
  EXPECT_EQ(text_of(data, "cell_id"), "new");
  EXPECT_NE(json::write(data).find("elsewhere"), std::string::npos);
}

// A worker puts a long text into the document; who saves meanwhile saves what is merged.
TEST_F(OutsideTest, ALongEditIsMergedBeforeAnythingIsSaved) {
  begin(0);
  edit("ours");
  std::string lines;
  for (int i = 0; i < 8'000; ++i) lines += "line " + std::to_string(i) + " of many \\n";
  outside(replaced(small_notebook, "hello", lines));
  const auto saved = tab_->command("save", "{}", 1);
  EXPECT_TRUE(flag_of(saved, "ok")) << json::write(saved);
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
  EXPECT_NE(host_->read("n.ipynb").find("line 7999"), std::string::npos);
}

TEST_F(OutsideTest, ADeletedFileLosesNothing) {
  begin();
  fs::remove(host_->root() / "n.ipynb");
  const auto told = tab_->await(
      [](const Received& one) { return one.op == "save-state" && error_code(one.data) == "file_gone"; }, "file_gone");
  EXPECT_EQ(text_of(told.data, "state"), "saved");
  EXPECT_FALSE(fs::exists(host_->root() / "n.ipynb")) << "deleting was somebody's wish";
  edit("goes on");
  state("saved");
  EXPECT_NE(host_->read("n.ipynb").find("goes on"), std::string::npos);
  EXPECT_NE(host_->read("n.ipynb").find("hello"), std::string::npos);
}

TEST_F(OutsideTest, AMovedFileIsFollowed) {
  begin();
  fs::create_directory(host_->root() / "sub");
  fs::rename(host_->root() / "n.ipynb", host_->root() / "sub" / "m.ipynb");
  tab_->await(
      [](const Received& one) { return one.op == "save-state" && text_of(one.data, "path").ends_with("sub/m.ipynb"); },
      "new path");
  edit("after the move");
  tab_->await(
      [](const Received& one) {
        return one.op == "save-state" && text_of(one.data, "state") == "saved" &&
               text_of(one.data, "path").ends_with("sub/m.ipynb");
      },
      "saved");
  EXPECT_NE(host_->read("sub/m.ipynb").find("after the move"), std::string::npos);
  EXPECT_FALSE(fs::exists(host_->root() / "n.ipynb"));
  const auto same = host_->open("sub/m.ipynb");
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ((*same)->id(), session_->id());
}

TEST_F(OutsideTest, AFileThatWentWhereNobodyMayFollowIsMissedAndFoundAgain) {
  begin();
  fs::rename(host_->root() / "n.ipynb", folder_.path() / "elsewhere.ipynb");
  tab_->await([](const Received& one) { return one.op == "save-state" && error_code(one.data) == "file_gone"; },
              "file_gone");
  outside(replaced(small_notebook, "hello", "back"));
  transaction();
  EXPECT_EQ(cells(), "a=x = 1 b=back");
}

TEST_F(OutsideTest, AnEditWhileNoHostIsThereIsMerged) {
  begin(0);
  edit("ours");
  const auto history = text_of(ready_.data, "history_id");
  tab_.reset();
  session_.reset();
  host_.reset();
  const auto path = folder_.path() / "root" / "n.ipynb";
  std::ifstream in(path);
  const std::string saved{std::istreambuf_iterator<char>(in), {}};
  std::ofstream(path) << replaced(saved, "hello", "theirs");
  begin(0);
  EXPECT_EQ(text_of(ready_.data, "history_id"), history) << "who comes back with the old document goes on";
  EXPECT_EQ(cells(), "a=ours b=theirs");
}

TEST_F(OutsideTest, AnEditAfterACrashIsMergedWithWhatOnlyTheJournalHas) {
  begin(0);
  edit("ours");
  // What kill -9 leaves: the state folder as it is now.
  fs::copy(folder_.path() / "state", folder_.path() / "killed", fs::copy_options::recursive);
  tab_.reset();
  TearDown();
  fs::remove_all(folder_.path() / "state");
  fs::rename(folder_.path() / "killed", folder_.path() / "state");
  std::ofstream(folder_.path() / "root" / "n.ipynb") << replaced(small_notebook, "hello", "theirs");
  begin();
  state("saved");
  EXPECT_EQ(cells(), "a=ours b=theirs");
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
  EXPECT_NE(host_->read("n.ipynb").find("theirs"), std::string::npos);
}

}  // namespace
}  // namespace lectern::session::testing
