// Edits: who may, what everybody sees, what a retry and a crash do.
#include <thread>

#include "document/notebook_document.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

std::string set_source(const std::string& text) {
  return R"({"changes":[{"type":"set_source","cell_id":"a","source":")" + text + R"("}]})";
}

class SessionEditingTest : public SessionTest {};

TEST_F(SessionEditingTest, TransactionReachesEverybodyAndItsAuthorWithoutChanges) {
  start();
  auto first = tab(), second = tab();
  const auto ready = first->await("kernel-ready");
  second->await("kernel-ready");
  const auto reply = first->command("transaction", set_source("x = 2"), 1);
  ASSERT_TRUE(flag_of(reply, "ok")) << json::write(reply);
  EXPECT_EQ(number_of(reply, "version"), 2u);
  const auto seen = second->await("notebook-document-transaction");
  const auto transaction = at(seen.data, {"transaction"});
  EXPECT_TRUE(seen.seq.has_value());
  EXPECT_EQ(text_of(transaction, "source"), "client");
  EXPECT_EQ(number_of(transaction, "version"), 2u);
  ASSERT_NE(transaction.find("changes"), nullptr);
  EXPECT_EQ(text_of(at(transaction, {"by"}), "client_id"), text_of(at(ready.data, {"client"}), "id"));
  bool own = false;
  for (const auto& one : first->all()) {
    if (one.op != "notebook-document-transaction") continue;
    own = true;
    EXPECT_EQ(one.seq, seen.seq);
    EXPECT_EQ(at(one.data, {"transaction"}).find("changes"), nullptr);
  }
  EXPECT_TRUE(own);
}

TEST_F(SessionEditingTest, ReadersCannotEdit) {
  start();
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  EXPECT_EQ(error_code(second->command("transaction", set_source("no"))), "read_only");
  EXPECT_EQ(error_code(second->command("transaction", set_source("no"), 1)), "read_only");
  EXPECT_EQ(error_code(first->command("transaction", set_source("no"))), "epoch_required");
  EXPECT_EQ(error_code(first->command("transaction", set_source("no"), 9)), "epoch_required");
  second->command("takeover");
  EXPECT_EQ(error_code(first->command("transaction", set_source("late"), 1)), "stale_epoch");
  EXPECT_TRUE(flag_of(second->command("transaction", set_source("mine"), 2), "ok"));
}

TEST_F(SessionEditingTest, RetriedCommandRunsOnce) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  const auto body = R"({"changes":[{"type":"create_cell","cell_id":"n","cell_type":"code","source":"","after":"b"}]})";
  const auto once = first->command("transaction", body, 1, "same");
  const auto twice = first->command("transaction", body, 1, "same");
  ASSERT_TRUE(flag_of(once, "ok")) << json::write(once);
  EXPECT_EQ(json::write(once), json::write(twice));
  const auto later = first->command("transaction", set_source("x"), 1);
  EXPECT_EQ(number_of(later, "version"), number_of(once, "version") + 1);
}

TEST_F(SessionEditingTest, WhatWasNotDecidedRunsWhenItIsAskedAgainWithTheSameId) {
  Settings settings;
  settings.document_build_ms = 1;
  settings.autosave = false;
  start_unbuilt(settings);
  auto first = tab();
  first->await("kernel-ready");
  auto reply = first->command("transaction", set_source("late"), 1, "same");
  EXPECT_EQ(error_code(reply), "document_building") << json::write(reply);
  host_->build();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (error_code(reply) == "document_building" && std::chrono::steady_clock::now() < deadline) {
    reply = first->command("transaction", set_source("late"), 1, "same");
  }
  EXPECT_TRUE(flag_of(reply, "ok")) << json::write(reply);
  EXPECT_EQ(json::write(first->command("transaction", set_source("late"), 1, "same")), json::write(reply));
}

TEST_F(SessionEditingTest, SoManyEditsWaitForTheDocumentAndNoMore) {
  Settings settings;
  settings.max_edits_waiting = 2;
  settings.autosave = false;
  start_unbuilt(settings);
  auto first = tab();
  first->await("kernel-ready");
  for (const auto* id : {"w1", "w2"}) {
    first->send(R"({"id":")" + std::string(id) + R"(","command":"transaction","epoch":1,"body":)" + set_source(id) +
                "}");
  }
  const auto refused = first->command("transaction", set_source("too many"), 1);
  EXPECT_EQ(error_code(refused), "busy") << json::write(refused);
  EXPECT_EQ(number_of(at(refused, {"error"}), "status"), 503u);
  host_->build();
  for (const auto* id : {"w1", "w2"}) {
    const auto reply = first->reply(id);
    EXPECT_TRUE(flag_of(reply, "ok")) << json::write(reply);
  }
  EXPECT_TRUE(flag_of(first->command("transaction", set_source("and on"), 1), "ok"));
}

TEST_F(SessionEditingTest, JoinersSeeTheCountsOfTheFile) {
  fs::create_directories(folder_.path() / "root");
  auto text = small_notebook;
  text.replace(text.find("null"), 4, "7");
  std::ofstream(folder_.path() / "root" / "n.ipynb") << text;
  start();
  auto first = tab();
  const auto cell = first->await("cell-op");
  EXPECT_EQ(text_of(cell.data, "cell_id"), "a");
  EXPECT_EQ(number_of(cell.data, "execution_count"), 7u);
}

TEST_F(SessionEditingTest, BadBodiesNameThePlace) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  const auto reply = first->command("transaction", R"({"changes":[{"type":"set_source","cell_id":"a"}]})", 1);
  EXPECT_EQ(error_code(reply), "bad_request");
  EXPECT_NE(text_of(at(reply, {"error"}), "message").find("body.changes[0].source"), std::string::npos);
  EXPECT_EQ(error_code(first->command("transactoin", "{}", 1)), "unknown_command");
  EXPECT_EQ(error_code(first->command("transaction", "{}", 1)), "bad_request");
}

TEST_F(SessionEditingTest, StaleBaseComesWithThePresentSource) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  const auto reply = first->command(
      "transaction",
      R"({"changes":[{"type":"set_source","cell_id":"a","source":"z","base_hash":")" + std::string(64, '0') + R"("}]})",
      1);
  EXPECT_EQ(error_code(reply), "stale_base");
  EXPECT_EQ(text_of(at(reply, {"error", "details"}), "source"), "x = 1");
}

TEST_F(SessionEditingTest, ReconnectGetsExactlyTheGap) {
  start();
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  const auto ready = second->await("kernel-ready");
  first->command("transaction", set_source("one"), 1);
  const auto seen = second->await("notebook-document-transaction");
  second->cut(false);
  first->command("transaction", set_source("two"), 1);
  first->command("transaction", set_source("three"), 1);
  Tab::How back;
  back.key = Tab::key_of(ready);
  back.query = R"({"resume":")" + text_of(ready.data, "stream") + "." + std::to_string(*seen.seq) + R"("})";
  auto again = tab(back);
  const auto resumed = again->await("kernel-ready");
  EXPECT_EQ(text_of(resumed.data, "replay"), "gap");
  EXPECT_EQ(resumed.data.find("notebook"), nullptr);
  again->await("replay-complete");
  std::vector<std::uint64_t> versions;
  for (const auto& one : again->all()) {
    if (one.op == "notebook-document-transaction")
      versions.push_back(number_of(at(one.data, {"transaction"}), "version"));
  }
  EXPECT_EQ(versions, (std::vector<std::uint64_t>{3, 4}));
}

TEST_F(SessionEditingTest, PastTheRingComesASnapshot) {
  Settings settings;
  settings.replay_events = 2;
  start(settings);
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  const auto ready = second->await("kernel-ready");
  second->cut(false);
  for (int i = 0; i < 5; ++i) first->command("transaction", set_source("v" + std::to_string(i)), 1);
  Tab::How back;
  back.key = Tab::key_of(ready);
  back.query = R"({"resume":")" + text_of(ready.data, "stream") + R"(.0"})";
  auto again = tab(back);
  const auto resumed = again->await("kernel-ready");
  EXPECT_EQ(text_of(resumed.data, "replay"), "snapshot");
  EXPECT_EQ(text_of((*at(resumed.data, {"notebook", "cells"}).as_array())[0], "source"), "v4");
  Tab::How foreign = back;
  foreign.query = R"({"resume":"otherrun.3"})";
  auto other = tab(foreign);
  EXPECT_EQ(text_of(other->await("kernel-ready").data, "replay"), "snapshot");
}

TEST_F(SessionEditingTest, AcknowledgedEditsSurviveWithoutASave) {
  Settings settings;
  settings.autosave = false;
  start(settings);
  {
    auto first = tab();
    first->await("kernel-ready");
    ASSERT_TRUE(flag_of(first->command("transaction", set_source("kept"), 1), "ok"));
    // What kill -9 leaves: the state folder as it is now.
    fs::copy(folder_.path() / "state", folder_.path() / "killed", fs::copy_options::recursive);
  }
  EXPECT_EQ(host_->read("n.ipynb"), small_notebook);
  const auto untouched = host_->read("n.ipynb");
  TearDown();
  fs::remove_all(folder_.path() / "state");
  fs::rename(folder_.path() / "killed", folder_.path() / "state");
  std::ofstream(folder_.path() / "root" / "n.ipynb") << untouched;
  start();
  auto again = tab();
  const auto ready = again->await("kernel-ready");
  EXPECT_EQ(text_of((*at(ready.data, {"notebook", "cells"}).as_array())[0], "source"), "kept");
}

TEST_F(SessionEditingTest, AutosaveWritesTheFileAndSaysSo) {
  Settings settings;
  settings.autosave_after_ms = 20;
  start(settings);
  auto first = tab();
  first->await("kernel-ready");
  first->command("transaction", set_source("saved text"), 1);
  first->await([](const Received& one) { return one.op == "save-state" && text_of(one.data, "state") == "dirty"; },
               "dirty");
  first->await([](const Received& one) { return one.op == "save-state" && text_of(one.data, "state") == "saved"; },
               "saved");
  EXPECT_NE(host_->read("n.ipynb").find("saved text"), std::string::npos);
}

TEST_F(SessionEditingTest, SaveFailureIsShownAndAForeignEditIsNotOverwritten) {
  Settings settings;
  settings.autosave = false;
  start(settings);
  auto first = tab();
  first->await("kernel-ready");
  first->command("transaction", set_source("ours"), 1);
  const std::string theirs = R"({"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5})";
  host_->write("n.ipynb", theirs);
  EXPECT_EQ(error_code(first->command("save", "{}", 1)), "conflict");
  EXPECT_EQ(host_->read("n.ipynb"), theirs);
  const auto forced = first->command("save", R"({"overwrite":true})", 1);
  EXPECT_TRUE(flag_of(forced, "ok")) << json::write(forced);
  EXPECT_NE(host_->read("n.ipynb").find("ours"), std::string::npos);
}

// ---- raw changes ------------------------------------------------------------------------------------------------

std::string frame(char kind, const std::string& header, const std::string& payload) {
  std::string out(1, kind);
  const auto size = static_cast<std::uint32_t>(header.size());
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(size >> shift & 0xff);
  return out + header + payload;
}

struct Split {
  char kind = 0;
  json::Value header;
  std::string payload;
};
Split split(const std::string& bytes) {
  std::uint32_t size = 0;
  for (int i = 0; i < 4; ++i) size |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[1 + i])) << (8 * i);
  return {bytes[0], *json::parse(bytes.substr(5, size)), bytes.substr(5 + size)};
}

/// A tab that edits through Automerge.
struct Author {
  explicit Author(std::unique_ptr<Tab> tab_) : tab(std::move(tab_)) {
    ready = tab->await("kernel-ready");
    const auto whole = tab->await([](const Received& one) { return !one.binary.empty() && one.binary[0] == 6; }, "06");
    auto loaded = document::NotebookDocument::load(split(whole.binary).payload);
    document.emplace(std::move(*loaded));
    actor = text_of(ready.data, "actor");
    epoch = number_of(ready.data, "epoch");
  }
  /// Edits locally and sends the change.
  json::Value edit(const std::string& text, const std::string& id, bool flush = false) {
    auto applied = document->apply_transaction(actor, {document::SetSource{"a", text, std::nullopt}});
    const auto& chunk = applied->chunks.at(0);
    std::string header = "{\"id\":\"" + id + "\",\"epoch\":" + std::to_string(epoch) +
                         (flush ? ",\"flush\":true" : "") + ",\"sizes\":[" + std::to_string(chunk.size()) + "]}";
    tab->send_binary(frame(3, header, chunk));
    return tab->reply(id);
  }
  std::unique_ptr<Tab> tab;
  Received ready;
  std::optional<document::NotebookDocument> document;
  std::string actor;
  std::uint64_t epoch = 0;
};

class SessionChangesTest : public SessionTest {
 protected:
  std::unique_ptr<Author> author() { return std::make_unique<Author>(tab(Tab::How(R"({"document":"changes"})"))); }
};

TEST_F(SessionChangesTest, ChangesGoToEverybodyOnce) {
  start();
  auto writer = author(), reader = author();
  auto listener = tab();
  listener->await("kernel-ready");
  const auto reply = writer->edit("typed", "c1");
  ASSERT_TRUE(flag_of(reply, "ok")) << json::write(reply);
  const auto got =
      reader->tab->await([](const Received& one) { return !one.binary.empty() && one.binary[0] == 3; }, "03");
  const auto parts = split(got.binary);
  ASSERT_TRUE(reader->document->apply_changes(std::vector<std::string>{parts.payload}, std::nullopt));
  EXPECT_EQ(reader->document->find_cell("a")->source, "typed");
  const auto event = listener->await("notebook-document-transaction");
  EXPECT_NE(at(event.data, {"transaction"}).find("changes"), nullptr);
  for (const auto& one : reader->tab->all()) EXPECT_NE(one.op, "notebook-document-transaction");
}

TEST_F(SessionChangesTest, FormerEditorFlushesOnceWithinTheWindow) {
  Settings settings;
  settings.flush_window_ms = 10'000;
  start(settings);
  auto former = author(), next = author();
  ASSERT_TRUE(flag_of(next->tab->command("takeover"), "ok"));
  EXPECT_EQ(error_code(former->edit("late", "l1")), "stale_epoch");
  // After a refusal the client goes back to the host's heads under its fresh actor; this one only needs the actor.
  auto again = document::NotebookDocument::load(
      ask<DocumentBytes>([&](Reply<DocumentBytes> reply) { session_->document(std::move(reply)); })->bytes);
  former->document.emplace(std::move(*again));
  const auto flushed = former->edit("flushed", "l2", true);
  EXPECT_TRUE(flag_of(flushed, "ok")) << json::write(flushed);
  EXPECT_EQ(error_code(former->edit("more", "l3", true)), "stale_epoch");
}

TEST_F(SessionChangesTest, NoFlushAfterTheWindow) {
  Settings settings;
  settings.flush_window_ms = -1;
  start(settings);
  auto former = author(), next = author();
  ASSERT_TRUE(flag_of(next->tab->command("takeover"), "ok"));
  EXPECT_EQ(error_code(former->edit("late", "l1", true)), "stale_epoch");
}

TEST_F(SessionChangesTest, ForeignActorIsRefusedWithAFreshOne) {
  start();
  auto writer = author();
  writer->actor = std::string(32, 'a');
  const auto refused = writer->edit("forged", "f1");
  EXPECT_EQ(error_code(refused), "foreign_actor");
  EXPECT_EQ(text_of(at(refused, {"error", "details"}), "actor").size(), 32u);
}

TEST_F(SessionChangesTest, ASubmissionWhoseConnectionWentAwayMeanwhileCanBeSentAgain) {
  Settings settings;
  settings.autosave = false;
  start_unbuilt(settings);
  auto first = tab();
  const auto ready = first->await("kernel-ready");
  const auto junk = frame(3, R"({"id":"cut","epoch":1,"sizes":[4]})", "junk");
  first->send_binary(junk);
  first->cut(false);
  const auto now = ask<json::Value>([&](Reply<json::Value> reply) { session_->describe(std::move(reply)); });
  ASSERT_TRUE(now);
  EXPECT_FALSE(flag_of(*now, "document_built"));
  host_->build();
  const auto built = ask<DocumentBytes>([&](Reply<DocumentBytes> reply) { session_->document(std::move(reply)); });
  ASSERT_TRUE(built) << built.error().message;
  Tab::How back;
  back.key = Tab::key_of(ready);
  auto again = tab(back);
  again->await("replay-complete");
  again->send_binary(junk);
  EXPECT_EQ(error_code(again->reply("cut")), "malformed_change");
}

TEST_F(SessionChangesTest, RefusalsNameTheChanges) {
  start();
  auto former = author(), next = author();
  ASSERT_TRUE(flag_of(next->tab->command("takeover"), "ok"));
  const auto refused = former->edit("late", "l1");
  EXPECT_EQ(error_code(refused), "stale_epoch");
  EXPECT_EQ(json::write(at(refused, {"error", "details", "hashes"})),
            R"([")" + former->document->heads().at(0).hex() + R"("])");
}

TEST_F(SessionChangesTest, ReturningWithKnownHeadsGetsTheDifference) {
  start();
  auto writer = author();
  auto reader = author();
  const auto heads = reader->document->heads().at(0).hex();
  reader->tab->cut(false);
  ASSERT_TRUE(flag_of(writer->edit("while away", "w1"), "ok"));
  Tab::How back;
  back.key = Tab::key_of(reader->ready);
  back.query = R"({"document":"changes","heads":")" + heads + R"(","history_id":")" +
               text_of(reader->ready.data, "history_id") + R"("})";
  auto again = tab(back);
  const auto got = again->await([](const Received& one) { return !one.binary.empty(); }, "a binary frame");
  const auto parts = split(got.binary);
  EXPECT_EQ(parts.kind, 3);
  ASSERT_TRUE(reader->document->apply_changes(std::vector<std::string>{parts.payload}, std::nullopt));
  EXPECT_EQ(reader->document->find_cell("a")->source, "while away");
}

TEST_F(SessionChangesTest, CollaborativeAuthorsConverge) {
  Settings settings;
  settings.policy = "collaborative";
  start(settings);
  auto one = author(), two = author();
  EXPECT_TRUE(edits(one->ready.data));
  EXPECT_TRUE(edits(two->ready.data));
  EXPECT_NE(one->epoch, two->epoch);
  ASSERT_TRUE(flag_of(one->edit("from one", "a1"), "ok"));
  ASSERT_TRUE(flag_of(two->edit("from two", "b1"), "ok"));  // not having seen the other's
  const auto merge = [](Author& author) {
    // Its frame may have come before the reply to the own edit, or is still to come.
    author.tab->command("room");
    for (const auto& frame_in : author.tab->all()) {
      if (frame_in.binary.empty() || frame_in.binary[0] != 3) continue;
      const std::vector<std::string> chunk{split(frame_in.binary).payload};
      ASSERT_TRUE(author.document->apply_changes(chunk, std::nullopt));
    }
  };
  merge(*one);
  merge(*two);
  EXPECT_EQ(one->document->find_cell("a")->source, two->document->find_cell("a")->source);
  EXPECT_EQ(one->document->heads(), two->document->heads());
}

}  // namespace
}  // namespace lectern::session::testing
