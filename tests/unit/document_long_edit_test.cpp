// Edits in three steps: what may happen between them, and that they come to the same as edits in one.
#include <future>
#include <thread>

#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

std::string line_of(std::size_t size, char first) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(first + static_cast<char>(i % 13));
  return out;
}

std::vector<Change> rewriting(std::string source) {
  return {SetSource{"a", std::move(source), std::nullopt}};
}

std::shared_ptr<LongEdit> begin(NotebookDocument& document, const std::vector<Change>& changes) {
  auto edit = document.begin_transaction(kAnn, changes);
  EXPECT_TRUE(edit) << edit.error().message;
  return edit ? *edit : nullptr;
}

TEST(LongEdit, IsLargeWhenManyCharactersComeOrGo) {
  auto document = notebook({code("a", line_of(20'000, 'a')), code("b", "b")});
  const auto large = [&](const std::vector<Change>& changes) {
    const auto edit = begin(document, changes);
    must(document.finish_transaction(*edit));
    return edit->large();
  };
  EXPECT_FALSE(large({SetSource{"b", "few", std::nullopt}}));
  EXPECT_TRUE(large({SetSource{"b", line_of(20'000, 'a'), std::nullopt}}));
  EXPECT_FALSE(large(rewriting("x" + source(document, "a"))));
  EXPECT_TRUE(large(rewriting("")));
  EXPECT_TRUE(large({CreateCell{"c", "code", line_of(20'000, 'a'), std::nullopt, std::nullopt, "{}"}}));
}

TEST(LongEdit, ChangesOfOthersAreLargeByTheirOperations) {
  auto host = notebook({code("a", line_of(20'000, 'a'))});
  auto client = copy_of(host);
  const auto gone = must(client.apply_transaction(kAnn, rewriting("")));
  ASSERT_LT(gone.chunks.front().size(), 500U);
  const auto edit = host.begin_changes(gone.chunks, kAnn);
  ASSERT_TRUE(edit) << edit.error().message;
  EXPECT_TRUE((*edit)->large());
  std::thread([&] { (*edit)->run(); }).join();
  EXPECT_EQ(must(host.finish_changes(**edit)).chunks.size(), 1U);
  EXPECT_EQ(source(host, "a"), "");
  EXPECT_EQ(host.heads(), client.heads());
}

// A stranger's bytes cost the reactor nothing beyond a look at them, whatever they turn out to be.
TEST(LongEdit, WhatTakesLongToReadIsReadByTheWorker) {
  auto host = notebook({code("a", "one")});
  auto client = copy_of(host);
  const auto typed = must(client.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "few "}}, 1));
  EXPECT_TRUE(NotebookDocument::quick_to_read(typed.chunks));
  const auto one = host.begin_changes(typed.chunks, kAnn);
  ASSERT_TRUE(one);
  EXPECT_FALSE((*one)->large());
  must(host.finish_changes(**one));

  const std::vector<std::string> junk{std::string(40'000, 'x')};
  EXPECT_FALSE(NotebookDocument::quick_to_read(junk));
  const auto edit = host.begin_changes(junk, kAnn);
  ASSERT_TRUE(edit) << "nothing of it is read yet";
  EXPECT_TRUE((*edit)->large());
  std::thread([&] { (*edit)->run(); }).join();
  EXPECT_EQ(code_of(host.finish_changes(**edit)), "422 malformed_change");

  // Few bytes, one operation, and much to inflate.
  const std::string value = '"' + std::string(100'000, 'v') + '"';
  const auto bomb = must(client.apply_transaction(kAnn, {SetMetadata{"a", {"x"}, value}}, client.version())).chunks;
  EXPECT_LT(bomb.front().size(), 1'000U);
  EXPECT_FALSE(NotebookDocument::quick_to_read(bomb));
  must(host.apply_changes(bomb, kAnn));

  // Each of them is small, and says so much of itself that together they are not.
  std::vector<std::string> many;
  for (int i = 0; i < 4; ++i) {
    many.push_back(
        must(client.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, line_of(4'000, 'm')}}, client.version()))
            .chunks.front());
  }
  EXPECT_TRUE(NotebookDocument::quick_to_read({many.data(), 2}));
  EXPECT_FALSE(NotebookDocument::quick_to_read(many));
  must(host.apply_changes(many, kAnn));
  expect_same(host, client);
  expect_true_to_engine(host);
}

TEST(LongEdit, ASyncMessageIsOneWhenItBringsMuch) {
  auto host = notebook({code("a", "one")});
  auto client = copy_of(host);
  must(client.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, line_of(20'000, 'n')}}, 1));
  auto at_client = client.open_sync();
  auto at_host = std::make_unique<SyncSession>(host.open_sync());
  const auto asks = host.begin_sync(*at_host, *client.sync_generate(at_client), kAnn);
  ASSERT_TRUE(asks);
  EXPECT_FALSE((*asks)->large());
  must(host.finish_sync(**asks));
  must(client.sync_receive(at_client, *host.sync_generate(*at_host), std::nullopt));
  const auto brings = host.begin_sync(*at_host, *client.sync_generate(at_client), kAnn);
  ASSERT_TRUE(brings);
  EXPECT_TRUE((*brings)->large());
  at_host.reset();  // whose line was cut meanwhile
  std::thread([&] { (*brings)->run(); }).join();
  EXPECT_EQ(source(host, "a"), "one");
  EXPECT_EQ(must(host.finish_sync(**brings)).chunks.size(), 1U);
  expect_same(host, client);
  expect_true_to_engine(host);
}

// Every place that is spliced moves all that is behind it: thousands of them are told as the source they lead to.
TEST(LongEdit, AnEditOfThousandsOfPlacesIsToldAsTheNewSource) {
  auto host = notebook({code("a", line_of(12'000, 'a')), code("b", "b")});
  auto client = copy_of(host);
  std::vector<Change> scattered{SpliceSource{"b", 0, 1, "B"}};
  for (std::uint64_t i = 0; i < 5'000; ++i) scattered.emplace_back(SpliceSource{"a", 2 * i, 0, "-"});
  const auto sent = must(client.apply_transaction(kAnn, scattered, 1));
  const auto seen = must(host.apply_changes(sent.chunks, kAnn));
  ASSERT_EQ(seen.changes.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<SpliceSource>(seen.changes[0]));
  const auto* told = std::get_if<SetSource>(&seen.changes[1]);
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(told->source, source(client, "a"));
  expect_same(host, client);
  expect_true_to_engine(host);
}

TEST(LongEdit, WhileAWorkerIsAtItTheCellsAreWhatTheyWere) {
  auto document = notebook({code("a", "before")});
  const auto version = document.version();
  const auto heads = document.heads();
  const auto edit = begin(document, rewriting(line_of(60'000, 'n')));
  auto worker = std::async(std::launch::async, [&] { edit->run(); });
  EXPECT_EQ(source(document, "a"), "before");
  EXPECT_EQ(document.version(), version);
  EXPECT_EQ(document.heads(), heads);
  EXPECT_EQ(code_of(document.apply_transaction(kBob, rewriting("meanwhile"))), "503 busy");
  worker.get();
  EXPECT_EQ(source(document, "a"), "before");
  const auto done = must(document.finish_transaction(*edit));
  EXPECT_EQ(done.version, version + 1);
  EXPECT_EQ(source(document, "a"), line_of(60'000, 'n'));
  expect_true_to_engine(document);
}

TEST(LongEdit, WhoeverNeedsTheEngineMeanwhileWaitsForIt) {
  auto document = notebook({code("a", line_of(30'000, 'a'))});
  const auto edit = begin(document, rewriting(line_of(30'000, 'n')));
  auto worker = std::async(std::launch::async, [&] { edit->run(); });
  const auto saved = document.save();  // has the edit, whoever came first
  ASSERT_TRUE(saved);
  worker.get();
  must(document.finish_transaction(*edit));
  auto loaded = NotebookDocument::load(*saved);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(source(*loaded, "a"), source(document, "a"));
  must(document.apply_transaction(kBob, {SpliceSource{"a", 0, 1, "x"}}, document.version()));
  expect_true_to_engine(document);
}

TEST(LongEdit, OutlivesItsDocument) {
  std::shared_ptr<LongEdit> edit;
  {
    auto document = notebook({code("a", "one")});
    edit = begin(document, rewriting("two"));
  }
  edit->run();
  std::future<void> worker;
  {
    auto document = notebook({code("a", "one")});
    edit = begin(document, rewriting(line_of(50'000, 'n')));
    worker = std::async(std::launch::async, [edit] { edit->run(); });
  }
  worker.get();
}

// A source that is replaced as a whole keeps what others typed into it, and costs the engine no more operations than
// characters.
TEST(LongEdit, WhatOthersTypedIntoAReplacedSourceStays) {
  auto ours = notebook({code("a", line_of(20'000, 'a'))});
  auto theirs = copy_of(ours);
  const auto typed = must(theirs.apply_transaction(kBob, {SpliceSource{"a", 500, 0, "TYPED"}}, theirs.version()));
  const auto edit = begin(ours, rewriting(line_of(20'000, 'n')));
  must(ours.finish_transaction(*edit));
  must(ours.apply_changes(typed.chunks, kBob));
  EXPECT_NE(source(ours, "a").find("TYPED"), std::string::npos);
  EXPECT_EQ(source(ours, "a").size(), 20'005U);
  expect_true_to_engine(ours);
}

// Deleting takes whole stretches; those with other people's deletions in them, wide characters and text that came back
// end up as one by one.
TEST(LongEdit, DeletingAcrossHolesIsWhatTheEngineShows) {
  auto document = notebook({code("a", line_of(400, 'a'))});
  for (std::uint64_t at = 5; at < 300; at += 31) {
    must(document.apply_transaction(kBob, {SpliceSource{"a", at, 7, at % 2 == 0 ? "é😀" : ""}}, document.version()));
  }
  auto other = copy_of(document);
  const auto length = document.find_cell("a")->source_length;
  const auto gone =
      must(document.apply_transaction(kAnn, {SpliceSource{"a", 3, length - 6, "neu"}}, document.version()));
  EXPECT_EQ(document.find_cell("a")->source_length, 9U);
  expect_true_to_engine(document);
  must(other.apply_changes(gone.chunks, kAnn));
  EXPECT_EQ(source(other, "a"), source(document, "a"));
  expect_true_to_engine(other);
}

}  // namespace
}  // namespace lectern::document
