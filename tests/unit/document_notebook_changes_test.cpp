// Raw changes, sync sessions, versions, and what a hostile change can do.
#include <algorithm>
#include <random>

#include "base/text.hpp"
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A change by actor 02… on the frozen first change that inserts into an object nobody made: the engine panics on it.
std::string hostile_chunk() {
  return *text::from_hex(
      "856f4a83b6326fa5016c015cb837a3e10c24a4107f4bf04260c35621ad8f003ec7fbcbe63407028a22f33b10020202020202020202020202"
      "0202020201100000011001010101010101010101010101010101090102020211021302340242025602570170027f017f087f017f0900017f"
      "017f16797f00");
}

TEST(NotebookChanges, RemoteEditsAreTheSameEditAsATransaction) {
  auto host = abc();
  auto ann = copy_of(host);
  const std::vector<std::vector<Change>> edits = {
      {SpliceSource{"a", 3, 0, " \U0001F600"}, SpliceSource{"a", 0, 1, "O"}},
      {CreateCell{"d", "markdown", "# d", std::nullopt, "a", "{\"k\": 1}"}},
      {MoveCell{"c", std::nullopt, "a"}},
      {SetMetadata{"d", {"deep", "er"}, "[true]"}, SetMetadata{std::nullopt, {"kernelspec"}, "{\"name\":\"x\"}"}},
      {SetCellType{"d", "raw"}, DeleteCell{"b"}},
  };
  for (const auto& edit : edits) {
    const auto sent = must(ann.apply_transaction(kAnn, edit, ann.version()));
    const auto got = must(host.apply_changes(sent.chunks, kAnn));
    EXPECT_EQ(got.hashes, sent.hashes);
    EXPECT_EQ(got.version, sent.version);
    expect_same(host, ann);
  }
  EXPECT_EQ(order(host), "a c d");
  EXPECT_EQ(host.find_cell("d")->metadata_json, R"({"k":1,"deep":{"er":[true]}})");
  EXPECT_EQ(host.metadata_json(), R"({"kernelspec":{"name":"x"}})");
  expect_true_to_engine(host);
}

TEST(NotebookChanges, AreHeldToWhatAFileMayHave) {
  DocumentLimits small;
  small.max_cells = 3;
  small.max_source_bytes = 8;
  auto start = abc();
  auto host = std::move(*NotebookDocument::load(*start.save(), start.sidecar(), small));
  const auto send = [&](const std::vector<Change>& edit) {
    auto ann = copy_of(host);
    const auto sent = must(ann.apply_transaction(kAnn, edit, ann.version()));
    return host.apply_changes(sent.chunks, kAnn);
  };
  const auto heads = host.heads();
  const auto cell = send({CreateCell{"d", "code", "", "a", std::nullopt, "{}"}});
  ASSERT_EQ(code_of(cell), "413 too_large");
  EXPECT_THAT(cell.error().message, HasSubstr("max-notebook-cells"));
  EXPECT_THAT(cell.error().details, HasSubstr("hashes"));
  for (const auto& edit : std::vector<Change>{SpliceSource{"b", 3, 0, " and so on"}, SetSource{"c", "123456789", {}}}) {
    const auto source = send({edit});
    ASSERT_EQ(code_of(source), "413 too_large");
    EXPECT_THAT(source.error().message, HasSubstr("max-cell-bytes"));
  }
  EXPECT_EQ(host.heads(), heads);
  expect_true_to_engine(host);
  // Up to a limit, and one for another, all is well.
  must(send({DeleteCell{"a"}, CreateCell{"d", "code", "12345678", std::nullopt, "b", "{}"}}));
  must(send({SpliceSource{"d", 2, 4, "\u00e9\u00e9"}}));
  EXPECT_EQ(source(host, "d"), "12\u00e9\u00e978");
  EXPECT_EQ(code_of(send({SpliceSource{"d", 0, 1, "ab"}})), "413 too_large");
  must(send({SpliceSource{"d", 0, 4, "abcdef"}}));
  EXPECT_EQ(source(host, "d"), "abcdef78");
  expect_true_to_engine(host);
}

TEST(NotebookChanges, WhatIsPastALimitMayShrink) {
  DocumentLimits small;
  small.max_cells = 1;
  small.max_source_bytes = 2;
  auto start = abc();
  auto host = std::move(*NotebookDocument::load(*start.save(), start.sidecar(), small));
  auto ann = copy_of(host);
  const auto sent = must(ann.apply_transaction(kAnn, {DeleteCell{"b"}, SpliceSource{"c", 0, 1, ""}}, ann.version()));
  must(host.apply_changes(sent.chunks, kAnn));
  EXPECT_EQ(order(host), "a c");
  EXPECT_EQ(source(host, "c"), "hree");
}

TEST(NotebookChanges, TellsReadersOneEditAtATime) {
  auto host = abc();
  auto ann = copy_of(host);
  const auto sent = must(
      ann.apply_transaction(kAnn, {SetSource{"a", "on\u00e9!", {}},
                                   CreateCell{"d", "code", "x", "a", std::nullopt, "{}"}, MoveCell{"c", "b", {}}}));
  const auto got = must(host.apply_changes(sent.chunks, kAnn));
  EXPECT_THAT(got.changes, ElementsAre(Change(SpliceSource{"a", 2, 1, "\u00e9!"}),
                                       Change(CreateCell{"d", "code", "x", "a", std::nullopt, "{}"}),
                                       Change(MoveCell{"c", std::nullopt, "a"})));
}

TEST(NotebookChanges, TwoTypistsConverge) {
  auto host = notebook({code("a", "start \U0001F600 end")});
  auto ann = copy_of(host);
  auto bob = copy_of(host);
  std::mt19937 random(7);
  std::vector<std::string> from_ann, from_bob;
  const auto type = [&](NotebookDocument& at, const std::string& actor, std::vector<std::string>& out) {
    const auto length = at.find_cell("a")->source_length;
    const std::uint64_t index = random() % (length + 1);
    const std::uint64_t count = std::min<std::uint64_t>(random() % 3, length - index);
    const std::string text = random() % 4 == 0 ? "\U0001F389" : std::string(1, static_cast<char>('a' + random() % 26));
    for (auto& chunk :
         must(at.apply_transaction(actor, {SpliceSource{"a", index, count, text}}, at.version())).chunks) {
      out.push_back(chunk);
    }
  };
  for (int round = 0; round < 200; ++round) {
    type(ann, kAnn, from_ann);
    type(bob, kBob, from_bob);
    if (random() % 3 != 0) continue;
    must(host.apply_changes(from_bob, kBob));
    must(host.apply_changes(from_ann, kAnn));
    must(ann.apply_changes(from_bob, kBob));
    must(bob.apply_changes(from_ann, kAnn));
    from_ann.clear();
    from_bob.clear();
    expect_same(host, ann);
    expect_same(host, bob);
  }
  expect_true_to_engine(host);
}

TEST(NotebookChanges, ConcurrentMovesMetadataAndDeletionsConverge) {
  auto host = notebook({code("a", "1"), code("b", "2"), code("c", "3"), code("d", "4")});
  auto ann = copy_of(host);
  auto bob = copy_of(host);
  const auto hers = must(ann.apply_transaction(kAnn, {MoveCell{"d", "a", {}}, SetMetadata{"b", {"x"}, "1"},
                                                      DeleteCell{"c"}, CreateCell{"e", "code", "", "b", {}, "{}"}}));
  const auto his =
      must(bob.apply_transaction(kBob,
                                 {MoveCell{"d", {}, "a"}, SetMetadata{"b", {"y"}, "2"}, SpliceSource{"c", 0, 0, "lost"},
                                  CreateCell{"f", "code", "", "b", {}, "{}"}},
                                 1));
  must(host.apply_changes(his.chunks, kBob));
  must(host.apply_changes(hers.chunks, kAnn));
  must(ann.apply_changes(his.chunks, kBob));
  must(bob.apply_changes(hers.chunks, kAnn));
  expect_same(host, ann);
  expect_same(host, bob);
  EXPECT_EQ(host.find_cell("c"), nullptr);
  EXPECT_EQ(host.find_cell("b")->metadata_json, R"({"y":2,"x":1})");
  expect_true_to_engine(host);
}

TEST(NotebookChanges, AMerelyRepeatedValueKeepsTheBytesItHad) {
  auto host = notebook({{"a", "code", "", R"({"n": 1.0, "o": {"b": 1, "a": 2}})"}});
  auto ann = copy_of(host);
  must(ann.apply_transaction(kAnn, {SetMetadata{"a", {"n"}, "5"}}));
  const auto back =
      must(ann.apply_transaction(kAnn, {SetMetadata{"a", {"n"}, "1.00"}, SetMetadata{"a", {"o"}, R"({"a":2,"b":1})"}}));
  must(host.apply_changes(*ann.changes_since(host.heads()), kAnn));
  EXPECT_EQ(host.find_cell("a")->metadata_json, R"({"n": 1.0, "o": {"b": 1, "a": 2}})");
  EXPECT_THAT(back.chunks, SizeIs(1));
}

TEST(NotebookChanges, KnownOnesAreIgnoredWhoeverSendsThem) {
  auto host = abc();
  auto ann = copy_of(host);
  const auto sent = must(ann.apply_transaction(kAnn, {SetSource{"a", "x", {}}}));
  must(host.apply_changes(sent.chunks, kAnn));
  const auto again = must(host.apply_changes(sent.chunks, kBob));
  EXPECT_EQ(again.known, sent.hashes);
  EXPECT_TRUE(again.hashes.empty());
  EXPECT_EQ(again.version, 2U);
}

TEST(NotebookChanges, AClientMayHaveHadSeveralActors) {
  auto host = abc();
  auto copy = copy_of(host);
  std::vector<std::string> chunks;
  for (const auto* actor : {&kAnn, &kBob}) {
    const auto made = must(copy.apply_transaction(*actor, {SpliceSource{"a", 0, 0, "x"}}, copy.version()));
    chunks.push_back(made.chunks.at(0));
  }
  EXPECT_EQ(code_of(host.apply_changes(chunks, kAnn)), "403 foreign_actor");
  EXPECT_EQ(code_of(host.apply_changes(chunks, std::vector<std::string>{})), "403 foreign_actor");
  must(host.apply_changes(chunks, std::vector<std::string>{kBob, kAnn}));
  expect_same(host, copy);
}

TEST(NotebookChanges, RefusesForeignActorsUnknownDependenciesAndJunk) {
  auto host = abc();
  auto ann = copy_of(host);
  const auto first = must(ann.apply_transaction(kAnn, {SetSource{"a", "x", {}}}));
  const auto second = must(ann.apply_transaction(kAnn, {SetSource{"a", "xy", {}}}));
  const auto foreign = host.apply_changes(first.chunks, kBob);
  ASSERT_EQ(code_of(foreign), "403 foreign_actor");
  EXPECT_EQ(foreign.error().details, R"({"hashes":[")" + first.hashes[0].hex() + R"("]})");
  const auto orphan = host.apply_changes(second.chunks, kAnn);
  ASSERT_EQ(code_of(orphan), "409 unknown_dependency");
  EXPECT_THAT(orphan.error().details, HasSubstr(first.hashes[0].hex()));
  auto torn = first.chunks;
  torn[0].back() = static_cast<char>(torn[0].back() ^ 1);
  EXPECT_EQ(code_of(host.apply_changes(torn, kAnn)), "422 malformed_change");
  EXPECT_EQ(code_of(host.apply_changes(std::vector<std::string>{"junk"}, kAnn)), "422 malformed_change");
  EXPECT_EQ(host.version(), 1U);
  // A refused batch leaves no trace: the same changes in order are welcome, and so is a batch out of order.
  must(host.apply_changes(std::vector<std::string>{second.chunks[0], first.chunks[0]}, kAnn));
  EXPECT_EQ(source(host, "a"), "xy");
}

TEST(NotebookChanges, AllOrNone) {
  auto host = abc();
  auto ann = copy_of(host);
  const auto good = must(ann.apply_transaction(kAnn, {SetSource{"a", "x", {}}}));
  EXPECT_EQ(code_of(host.apply_changes(std::vector<std::string>{good.chunks[0], "junk"}, kAnn)),
            "422 malformed_change");
  EXPECT_EQ(code_of(host.apply_changes(std::vector<std::string>{good.chunks[0], hostile_chunk()}, std::nullopt)),
            "422 malformed_change");
  EXPECT_EQ(source(host, "a"), "one");
  EXPECT_FALSE(host.contains(good.hashes[0]));
  must(host.apply_changes(good.chunks, kAnn));
  EXPECT_EQ(source(host, "a"), "x");
}

TEST(NotebookChanges, AnEngineFailureHurtsOnlyItsAuthor) {
  auto host = abc();
  auto ann = copy_of(host);
  must(host.apply_transaction(kBob, {SetMetadata{"a", {"k"}, "1.0"}, SpliceSource{"a", 3, 0, "!"}}, 1));
  must(host.apply_transaction(kBob, {SpliceSource{"a", 0, 0, "late"}}, 1));
  const auto heads = host.heads();
  auto refused = host.apply_changes(std::vector<std::string>{hostile_chunk()}, std::nullopt);
  ASSERT_EQ(code_of(refused), "422 malformed_change");
  EXPECT_EQ(host.work().rebuilds, 1U);
  EXPECT_EQ(host.heads(), heads);
  expect_true_to_engine(host);
  // Everybody else goes on, the edits at earlier versions included.
  must(host.apply_changes(must(ann.apply_transaction(kAnn, {SpliceSource{"b", 0, 0, ">"}}, 1)).chunks, kAnn));
  must(host.apply_transaction(kBob, {SpliceSource{"a", 3, 0, "?"}}, 1));
  EXPECT_EQ(source(host, "b"), ">two");
  EXPECT_EQ(host.find_cell("a")->metadata_json, R"({"k":1.0})");
  expect_true_to_engine(host);
}

TEST(NotebookChanges, InspectionSaysWhoAndOnWhat) {
  auto host = abc();
  auto ann = copy_of(host);
  const auto heads = ann.heads();
  const auto sent = must(ann.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "1234"}}, 1));
  const auto infos = NotebookDocument::inspect_changes(sent.chunks);
  ASSERT_TRUE(infos);
  ASSERT_THAT(*infos, SizeIs(1));
  EXPECT_EQ(infos->at(0).actor, kAnn);
  EXPECT_EQ(infos->at(0).hash, sent.hashes[0]);
  EXPECT_EQ(infos->at(0).deps, heads);
  EXPECT_EQ(infos->at(0).seq, 1U);
  EXPECT_EQ(infos->at(0).op_count, 4U);
  DocumentLimits limits;
  limits.max_ops_per_change = 3;
  EXPECT_EQ(code_of(NotebookDocument::inspect_changes(sent.chunks, limits)), "413 too_large");
  limits = {};
  limits.max_chunk_bytes = 10;
  EXPECT_EQ(code_of(NotebookDocument::inspect_changes(sent.chunks, limits)), "413 too_large");
  limits = {};
  limits.max_chunks_per_batch = 0;
  EXPECT_EQ(code_of(NotebookDocument::inspect_changes(sent.chunks, limits)), "413 too_large");
}

TEST(NotebookChanges, TheHostsOwnJournalIsNotBounded) {
  auto host = abc();
  const auto saved = *host.save();
  const auto sent = must(host.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "1234"}}, 1));
  DocumentLimits limits;
  limits.max_ops_per_change = 3;
  auto recovered = std::move(*NotebookDocument::load(saved, {}, limits));
  EXPECT_EQ(code_of(recovered.apply_changes(sent.chunks, kAnn)), "413 too_large");
  must(recovered.apply_changes(sent.chunks, std::nullopt));
  EXPECT_EQ(source(recovered, "a"), "1234one");
}

TEST(NotebookChanges, ChangesAreBoundedByWhatTheyInflateToTogether) {
  auto host = abc();
  const auto saved = *host.save();
  const std::string much(3'000, 'm');
  std::vector<std::string> chunks;
  for (const char* cell : {"a", "b"}) {
    chunks.push_back(must(host.apply_transaction(kAnn, {SetMetadata{cell, {"x"}, '"' + much + '"'}}, host.version()))
                         .chunks.front());
  }
  DocumentLimits limits;
  limits.max_inflated_bytes = 5'000;
  auto other = std::move(*NotebookDocument::load(saved, {}, limits));
  EXPECT_EQ(code_of(other.apply_changes(chunks, kAnn)), "413 too_large");
  must(other.apply_changes({chunks.data(), 1}, kAnn));
  must(other.apply_changes({chunks.data() + 1, 1}, kAnn));
  EXPECT_EQ(other.heads(), host.heads());
}

TEST(NotebookChanges, ALateMergeIsStillTheAuthorsOwn) {
  auto host = notebook({code("a", "hello")});
  must(host.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "1"}}, 1));
  auto reader = copy_of(host);
  const auto late = must(host.apply_transaction(kAnn, {SpliceSource{"a", 5, 0, "2"}}, 1));
  must(reader.apply_changes(late.chunks, kAnn));
  expect_same(reader, host);
}

TEST(NotebookChanges, ChangesSinceBringAReturningClientUp) {
  auto host = abc();
  auto ann = copy_of(host);
  const auto seen = ann.heads();
  must(host.apply_transaction(kBob, {SetSource{"a", "x", {}}}));
  must(host.apply_transaction(kBob, {SetSource{"b", "y", {}}}));
  const auto missed = host.changes_since(seen);
  ASSERT_TRUE(missed);
  EXPECT_THAT(*missed, SizeIs(2));
  must(ann.apply_changes(*missed, std::nullopt));
  expect_same(host, ann);
  EXPECT_THAT(*host.changes_since(host.heads()), SizeIs(0));
  EXPECT_EQ(code_of(host.changes_since(std::vector<ChangeHash>{ChangeHash{}})), "404 unknown_heads");
}

TEST(NotebookChanges, SyncSessionsBringTogetherWhatNeitherKnows) {
  auto host = abc();
  auto ann = copy_of(host);
  for (int i = 0; i < 30; ++i) {
    must(host.apply_transaction(kBob, {SpliceSource{"a", 0, 0, "h"}}, host.version()));
    must(ann.apply_transaction(kAnn, {SpliceSource{"b", 0, 0, "c"}}, ann.version()));
  }
  auto at_host = host.open_sync();
  auto at_ann = ann.open_sync();
  std::size_t changes = 0;
  for (int round = 0; round < 20; ++round) {
    const auto out = *host.sync_generate(at_host);
    if (!out.empty()) must(ann.sync_receive(at_ann, out, std::nullopt));
    const auto in = *ann.sync_generate(at_ann);
    if (!in.empty()) changes += must(host.sync_receive(at_host, in, kAnn)).hashes.size();
    if (out.empty() && in.empty()) break;
  }
  EXPECT_EQ(changes, 30U);
  expect_same(host, ann);
  expect_true_to_engine(host);
}

// About one change in a hundred is taken for one that the other side has, and what builds on it comes without it.
TEST(NotebookChanges, SyncAsksForWhatAFilterLeftOut) {
  auto notebook = abc();
  int asked_again = 0;
  for (int trial = 0; trial < 800; ++trial) {
    auto host = copy_of(notebook);
    auto ann = copy_of(notebook);
    must(ann.apply_transaction(kAnn, {SpliceSource{"b", 0, 0, std::to_string(trial)}}, ann.version()));
    must(ann.apply_transaction(kAnn, {SpliceSource{"b", 0, 0, "c"}}, ann.version()));
    auto at_host = host.open_sync();
    auto at_ann = ann.open_sync();
    int messages = 0;
    for (; messages < 20 && host.heads() != ann.heads(); ++messages) {
      const auto out = *host.sync_generate(at_host);
      if (!out.empty()) must(ann.sync_receive(at_ann, out, std::nullopt));
      const auto in = *ann.sync_generate(at_ann);
      if (!in.empty()) must(host.sync_receive(at_host, in, kAnn));
    }
    asked_again += messages > 1;
    ASSERT_EQ(host.heads(), ann.heads()) << "trial " << trial;
  }
  EXPECT_GT(asked_again, 0) << "no filter was wrong";
}

class ChangesThatWait : public testing::Test {
 protected:
  ChangesThatWait() : ann_(copy_of(notebook_)) {
    for (int i = 0; i < 4; ++i) {
      made_.push_back(must(ann_.apply_transaction(kAnn, {SpliceSource{"b", 0, 0, "x"}}, ann_.version())).chunks.at(0));
    }
  }
  NotebookDocument host(const DocumentLimits& limits) {
    return std::move(*NotebookDocument::load(*notebook_.save(), notebook_.sidecar(), limits));
  }
  /// A message with these changes and nothing else.
  static std::string message(std::vector<std::string> chunks) {
    using namespace std::string_literals;
    std::string out = "\x42\0\0\0"s + static_cast<char>(chunks.size());
    for (const auto& chunk : chunks) {
      EXPECT_LT(chunk.size(), 1U << 14U);
      if (chunk.size() >= 128) out += static_cast<char>(chunk.size() % 128 + 128);
      out += static_cast<char>(chunk.size() < 128 ? chunk.size() : chunk.size() / 128);
      out += chunk;
    }
    return out;
  }
  NotebookDocument notebook_ = abc();
  NotebookDocument ann_;
  std::vector<std::string> made_;  // each builds on the one before it
};

TEST_F(ChangesThatWait, AreBoundedByTheirBytes) {
  DocumentLimits limits;
  limits.max_held_bytes = made_[1].size() + made_[2].size();
  auto document = host(limits);
  auto session = document.open_sync();
  must(document.sync_receive(session, message({made_[1], made_[2]}), kAnn));
  EXPECT_EQ(source(document, "b"), "two");
  const auto refused = document.sync_receive(session, message({made_[3]}), kAnn);
  EXPECT_EQ(code_of(refused), "413 too_large");
  EXPECT_THAT(refused.error().message, testing::HasSubstr("bytes of changes wait"));
  auto anew = document.open_sync();
  must(document.sync_receive(anew, message(made_), kAnn));
  expect_same(document, ann_);
}

TEST_F(ChangesThatWait, AreBoundedByTheirNumber) {
  DocumentLimits limits;
  limits.max_chunks_per_batch = 2;
  auto document = host(limits);
  auto session = document.open_sync();
  must(document.sync_receive(session, message({made_[1]}), kAnn));
  must(document.sync_receive(session, message({made_[2]}), kAnn));
  const auto refused = document.sync_receive(session, message({made_[3]}), kAnn);
  EXPECT_EQ(code_of(refused), "413 too_large");
  EXPECT_THAT(refused.error().message, testing::HasSubstr("more than 2 changes"));
  auto anew = document.open_sync();
  for (const auto& one : made_) must(document.sync_receive(anew, message({one}), kAnn));
  expect_same(document, ann_);
}

TEST(NotebookChanges, ALargeBatchOfAStrangerIsVerifiedAndApplied) {
  auto host = abc();
  auto ann = copy_of(host);
  std::vector<std::string> chunks;
  for (int i = 0; i < 40; ++i) {
    chunks.push_back(must(ann.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "x"}}, ann.version())).chunks.at(0));
  }
  EXPECT_EQ(must(host.apply_changes(chunks, kAnn)).hashes.size(), 40U);
  EXPECT_EQ(host.work().rebuilds, 0U);
  expect_same(host, ann);
}

TEST(NotebookChanges, SyncHoldsAuthorsToTheirActor) {
  auto host = abc();
  auto ann = copy_of(host);
  must(ann.apply_transaction(kAnn, {SpliceSource{"b", 0, 0, "c"}}, 1));
  auto at_host = host.open_sync();
  auto at_ann = ann.open_sync();
  must(ann.sync_receive(at_ann, *host.sync_generate(at_host), std::nullopt));
  EXPECT_EQ(code_of(host.sync_receive(at_host, *ann.sync_generate(at_ann), kBob)), "403 foreign_actor");
  EXPECT_EQ(source(host, "b"), "two");
  EXPECT_EQ(code_of(host.sync_receive(at_host, "\x42", kAnn)), "422 malformed_sync");
  EXPECT_EQ(code_of(host.sync_receive(at_host, "", kAnn)), "422 malformed_sync");
}

TEST(NotebookChanges, SyncMessagesThatBringNothingCostNoRebuild) {
  using namespace std::string_literals;
  auto host = abc();
  auto at_host = host.open_sync();
  const auto divides_by_nothing = "\x42\0\0\x01\0\x04\x01\0\x07\xff\0"s;  // one have, whose filter has no bits an entry
  EXPECT_EQ(code_of(host.sync_receive(at_host, divides_by_nothing, kAnn)), "422 malformed_sync");
  EXPECT_TRUE(host.sync_generate(at_host));
  const auto flags_cut_off = "\x42\0\0\0\0\x05"s;  // nothing but the engine reads them
  EXPECT_EQ(code_of(host.sync_receive(at_host, flags_cut_off, kAnn)), "422 malformed_sync");
  EXPECT_EQ(host.work().rebuilds, 0U);
}

TEST(NotebookChanges, AKeystrokeInALongTextTouchesOnlyItself) {
  auto host = notebook({code("a", std::string(200'000, 'x')), code("b", "")});
  auto ann = copy_of(host);
  std::vector<std::vector<std::string>> typed;
  for (std::uint64_t i = 0; i < 100; ++i) {
    typed.push_back(must(ann.apply_transaction(kAnn, {SpliceSource{"a", 100'000 + i, 0, "k"}}, ann.version())).chunks);
  }
  const auto before = host.work();
  for (const auto& chunks : typed) must(host.apply_changes(chunks, kAnn));
  EXPECT_EQ(host.work().patches - before.patches, 100U);
  EXPECT_EQ(host.work().source_bytes - before.source_bytes, 100U);
  EXPECT_EQ(host.work().materialised, before.materialised);
  EXPECT_EQ(host.find_cell("a")->source.substr(100'000, 101), std::string(100, 'k') + "x");
}

TEST(NotebookChanges, ARebuildAfterASaveStartsFromTheSave) {
  auto host = abc();
  must(host.apply_transaction(kAnn, {SetSource{"a", "before", {}}}));
  ASSERT_TRUE(host.save());
  must(host.apply_transaction(kAnn, {SetSource{"a", "after", {}}}));
  EXPECT_EQ(code_of(host.apply_changes(std::vector<std::string>{hostile_chunk()}, std::nullopt)),
            "422 malformed_change");
  EXPECT_EQ(host.work().rebuilds, 1U);
  expect_true_to_engine(host);
}

TEST(NotebookChanges, KeptChangesAreFoldedIntoASaveWhenTheyGrow) {
  auto host = abc();
  for (int i = 0; i < 8; ++i) {  // incompressible, past the 4 MiB kept as single changes
    must(host.apply_transaction(kAnn, {SetMetadata{"a", {"k"}, '"' + crypto::random_token(700'000) + '"'}}));
  }
  EXPECT_EQ(code_of(host.apply_changes(std::vector<std::string>{hostile_chunk()}, std::nullopt)),
            "422 malformed_change");
  expect_true_to_engine(host);
}

}  // namespace
}  // namespace lectern::document
