// Splices between two texts, and splices carried from an earlier version to today's text.
#include <random>

#include "base/text.hpp"
#include "document/source_difference.hpp"
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

using ::testing::ElementsAre;

std::string applied(std::string text, const std::vector<SpliceSource>& splices) {
  for (const auto& splice : splices) {
    const auto begin = text::byte_offset(text, splice.index);
    const auto end = text::byte_offset(text, splice.index + splice.delete_count);
    text.replace(begin, end - begin, splice.insert);
  }
  return text;
}

TEST(SourceDifference, KeepsWhatIsCommon) {
  EXPECT_THAT(source_difference("c", "same", "same"), ElementsAre());
  EXPECT_THAT(source_difference("c", "", "ab"), ElementsAre(SpliceSource{"c", 0, 0, "ab"}));
  EXPECT_THAT(source_difference("c", "ab", ""), ElementsAre(SpliceSource{"c", 0, 2, ""}));
  EXPECT_THAT(source_difference("c", "aXb", "aYYb"), ElementsAre(SpliceSource{"c", 1, 1, "YY"}));
  EXPECT_THAT(source_difference("c", "aa", "aaa"), ElementsAre(SpliceSource{"c", 2, 0, "a"}));
  // Characters that share bytes are not torn apart: é is C3 A9, è C3 A8, and © is C2 A9.
  EXPECT_THAT(source_difference("c", "\u00e9", "\u00e8"), ElementsAre(SpliceSource{"c", 0, 1, "\u00e8"}));
  EXPECT_THAT(source_difference("c", "x\u00e9", "x\u00a9"), ElementsAre(SpliceSource{"c", 1, 1, "\u00a9"}));
}

TEST(SourceDifference, AReformattedCellIsNotANewOne) {
  std::string from, to;
  for (int i = 0; i < 200; ++i) {
    const auto name = "value_" + std::to_string(i);
    from += name + "=compute(" + name + ")\n";
    to += i % 10 == 0 ? name + " = compute(" + name + ")\n" : name + "=compute(" + name + ")\n";
  }
  const auto splices = source_difference("c", from, to);
  EXPECT_EQ(splices.size(), 20U);
  std::uint64_t deleted = 0;
  for (const auto& splice : splices) deleted += splice.delete_count;
  EXPECT_EQ(deleted, 20U);  // each time "=" becomes " = "
  EXPECT_EQ(applied(from, splices), to);
}

TEST(SourceDifference, AlwaysLeadsThere) {
  std::mt19937 random(11);
  const std::vector<std::string> words = {"a", "b\n", "\n", "\u00e9", "\u00e8\n", "\U0001F600", "long line of words\n",
                                          "  "};
  const auto text = [&] {
    std::string out;
    for (std::size_t i = random() % 40; i > 0; --i) out += words[random() % words.size()];
    return out;
  };
  for (int i = 0; i < 3000; ++i) {
    const auto from = text(), to = text();
    ASSERT_EQ(applied(from, source_difference("c", from, to)), to);
  }
}

std::uint64_t deleted_by(const std::vector<SpliceSource>& splices) {
  std::uint64_t deleted = 0;
  for (const auto& splice : splices) deleted += splice.delete_count;
  return deleted;
}

TEST(SourceDifference, AMegabyteWithChangesAllOverKeepsTheRest) {
  std::vector<std::string> old;
  for (int i = 0; i < 25'000; ++i) {
    old.push_back(i % 5 == 0 ? "\n" : "row(" + std::to_string(i) + ", 'some text that makes the line longer')\n");
  }
  auto now = old;
  for (std::size_t i = 1; i < now.size(); i += 500) now[i] = "changed " + std::to_string(i) + "\n";
  now.insert(now.begin() + 3'000, 50, "the same line, many times\n");
  now.erase(now.begin() + 9'000, now.begin() + 9'020);
  std::string from, to;
  for (const auto& line : old) from += line;
  for (const auto& line : now) to += line;
  ASSERT_GT(from.size(), 900'000U);
  const auto splices = source_difference("c", from, to);
  EXPECT_EQ(applied(from, splices), to);
  EXPECT_LE(deleted_by(splices), 50U * 60U + 20U * 60U) << "fifty changed lines and twenty that went";
  EXPECT_LE(splices.size(), 60U);
}

TEST(SourceDifference, LongTextsOfFewDifferentLinesLeadThereToo) {
  std::mt19937 random(3);
  const auto text = [&](std::size_t kinds) {
    std::string out;
    for (int i = 0; i < 2'500; ++i) out += std::to_string(random() % kinds) + "\n";
    return out;
  };
  for (const std::size_t kinds : {2U, 50U, 5'000U, 1'000'000U}) {
    const auto from = text(kinds), to = text(kinds);
    EXPECT_EQ(applied(from, source_difference("c", from, to)), to) << kinds;
    const auto turned = to.substr(to.size() / 2) + to.substr(0, to.size() / 2);
    EXPECT_EQ(applied(to, source_difference("c", to, turned)), turned) << kinds;
  }
}

// The same late splice by arithmetic, and accompanied by an empty one, which makes the engine merge it.
TEST(LateSplice, ArithmeticAgreesWithTheEngine) {
  std::mt19937 random(5);
  for (int round = 0; round < 1000; ++round) {
    auto carried = notebook({code("a", "0123456789")});
    auto merged = notebook({code("a", "0123456789")});
    std::vector<std::uint64_t> lengths{0, 10};
    for (std::size_t i = 0, edits = 1 + random() % 6; i < edits; ++i) {
      const std::uint64_t index = random() % (lengths.back() + 1);
      const std::uint64_t count = std::min<std::uint64_t>(random() % 4, lengths.back() - index);
      const SpliceSource edit{"a", index, count, std::string(random() % 3, static_cast<char>('a' + i))};
      must(carried.apply_transaction(kAnn, {edit}, carried.version()));
      must(merged.apply_transaction(kAnn, {edit}, merged.version()));
      lengths.resize(carried.version() + 1, carried.find_cell("a")->source_length);
    }
    const std::uint64_t base = 1 + random() % carried.version();
    const std::uint64_t index = random() % (lengths[base] + 1);
    const std::uint64_t count = std::min<std::uint64_t>(random() % 5, lengths[base] - index);
    const SpliceSource late{"a", index, count, random() % 4 == 0 ? "" : "\U0001F389X"};
    const auto before = source(carried, "a");
    const auto done = must(carried.apply_transaction(kBob, {late}, base));
    must(merged.apply_transaction(kBob, {late, SpliceSource{"a", 0, 0, ""}}, base));
    ASSERT_EQ(source(carried, "a"), source(merged, "a"))
        << before << ", at version " << base << " of " << lengths.size() - 1 << ": " << index << " " << count;
    std::vector<SpliceSource> splices;
    for (const auto& change : done.applied) splices.push_back(std::get<SpliceSource>(change));
    ASSERT_EQ(applied(before, splices), source(carried, "a"));
  }
}

TEST(LateSplice, IsOneChangeAndReadsNothingFromTheEngine) {
  auto document = notebook({code("a", std::string(50'000, 'x'))});
  for (int i = 0; i < 10; ++i)
    must(document.apply_transaction(kAnn, {SpliceSource{"a", 0, 0, "y"}}, document.version()));
  const auto before = document.work();
  const auto done = must(document.apply_transaction(kBob, {SpliceSource{"a", 25'000, 2, "late"}}, 1));
  EXPECT_EQ(done.chunks.size(), 1U);
  EXPECT_THAT(done.applied, ElementsAre(Change(SpliceSource{"a", 25'010, 2, "late"})));
  EXPECT_EQ(document.work().source_bytes - before.source_bytes, 6U);
  EXPECT_EQ(document.work().materialised, before.materialised);
  expect_true_to_engine(document);
}

TEST(LateSplice, AnInsertionInsideWhatItDeletesStays) {
  auto document = notebook({code("a", "0123456789")});
  must(document.apply_transaction(kAnn, {SpliceSource{"a", 5, 0, "new"}}, 1));
  const auto done = must(document.apply_transaction(kBob, {SpliceSource{"a", 2, 6, "_"}}, 1));
  EXPECT_EQ(source(document, "a"), "01_new89");
  EXPECT_THAT(done.applied, ElementsAre(Change(SpliceSource{"a", 8, 3, ""}), Change(SpliceSource{"a", 2, 3, "_"})));
}

}  // namespace
}  // namespace lectern::document
