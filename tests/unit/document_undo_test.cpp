// Taking back what one author did, and nothing of anybody else's.
#include <algorithm>
#include <random>

#include "document/undo_stack.hpp"
#include "document_notebook_fixture.hpp"

namespace lectern::document {
namespace {

// One notebook, two authors, each with a stack.
class Undo : public testing::Test {
 protected:
  NotebookDocument document = notebook({code("a", "one two three"), code("b", "bee"), code("c", "sea")});
  UndoStack ann, bob;
  std::int64_t now = 0;

  void edit(UndoStack& author, const std::vector<Change>& changes) {
    const auto done = must(document.apply_transaction(&author == &ann ? kAnn : kBob, changes, document.version()));
    EXPECT_TRUE(done.dropped.empty());
    author.did(done.steps, now += 10'000);
    (&author == &ann ? bob : ann).others_did(done.steps);
  }
  void type(UndoStack& author, std::uint64_t index, const std::string& text, std::int64_t pause = 100) {
    const auto done = must(document.apply_transaction(kAnn, {SpliceSource{"a", index, 0, text}}, document.version()));
    author.did(done.steps, now += pause);
  }
  void erase(UndoStack& author, std::uint64_t index) {
    const auto done = must(document.apply_transaction(kAnn, {SpliceSource{"a", index, 1, ""}}, document.version()));
    author.did(done.steps, now += 100);
  }
  bool undo(UndoStack& author) { return back(author, false); }
  bool redo(UndoStack& author) { return back(author, true); }
  bool back(UndoStack& author, bool again) {
    const auto changes = again ? author.redo(document) : author.undo(document);
    if (changes.empty()) return false;
    const auto done = must(document.apply_transaction(&author == &ann ? kAnn : kBob, changes, document.version()));
    EXPECT_TRUE(done.dropped.empty());
    again ? author.redone(done.steps) : author.undone(done.steps);
    (&author == &ann ? bob : ann).others_did(done.steps);
    return true;
  }
};

TEST_F(Undo, TakesBackTheNewestAndPutsItBack) {
  edit(ann, {SpliceSource{"a", 4, 3, "2"}});
  edit(ann, {SetSource{"a", "ONE 2 three!", std::nullopt}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "one 2 three");
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "one two three");
  EXPECT_FALSE(undo(ann));
  EXPECT_TRUE(redo(ann));
  EXPECT_TRUE(redo(ann));
  EXPECT_FALSE(redo(ann));
  EXPECT_EQ(source(document, "a"), "ONE 2 three!");
  EXPECT_TRUE(undo(ann));
  edit(ann, {SpliceSource{"a", 0, 0, "x"}});
  EXPECT_FALSE(redo(ann));
  expect_true_to_engine(document);
}

TEST_F(Undo, LeavesWhatOthersTyped) {
  edit(ann, {SpliceSource{"a", 4, 3, "dos"}});
  edit(bob, {SpliceSource{"a", 5, 0, "BOB"}});  // in the middle of it
  edit(bob, {SpliceSource{"a", 0, 0, ">"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), ">one twoBOB three");
  EXPECT_TRUE(redo(ann));
  EXPECT_EQ(source(document, "a"), ">one dBOBos three");
  EXPECT_TRUE(undo(bob));
  EXPECT_TRUE(undo(bob));
  EXPECT_EQ(source(document, "a"), "one dos three");
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "one two three");
}

TEST_F(Undo, WhatWasTypedAndErasedLeavesNothing) {
  edit(ann, {SpliceSource{"a", 0, 0, "hello "}});
  edit(ann, {SpliceSource{"a", 2, 4, ""}});
  edit(bob, {SpliceSource{"a", 2, 0, "B"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "Bone two three");
}

TEST_F(Undo, TypingIsOneEntryUntilAPauseOrAnotherPlace) {
  for (std::uint64_t i = 0; i < 5; ++i) type(ann, i, "x");
  erase(ann, 4);
  EXPECT_EQ(ann.undo_left(), 1U);
  type(ann, 4, "y", 5'000);
  EXPECT_EQ(ann.undo_left(), 2U);
  type(ann, 9, "z");
  EXPECT_EQ(ann.undo_left(), 3U);
  EXPECT_TRUE(undo(ann));
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "xxxxone two three");
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "one two three");
}

TEST_F(Undo, ErasingIsOneEntryInBothDirections) {
  erase(ann, 6);
  erase(ann, 5);
  erase(ann, 4);  // "two", backwards
  erase(ann, 4);
  erase(ann, 4);  // " t", forwards
  EXPECT_EQ(source(document, "a"), "one hree");
  EXPECT_EQ(ann.undo_left(), 1U);
  type(ann, 4, "T");
  EXPECT_EQ(ann.undo_left(), 1U);
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "one two three");
}

TEST_F(Undo, CellsComeBackWhereTheyStoodAndGoAgain) {
  edit(ann, {SetMetadata{"b", {"tags"}, R"(["x"])"}});
  edit(ann, {DeleteCell{"b"}, DeleteCell{"c"}});
  edit(bob, {CreateCell{"n", "markdown", "new", "a", std::nullopt, "{}"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(order(document), "n a b c");
  EXPECT_EQ(source(document, "b"), "bee");
  EXPECT_EQ(document.find_cell("b")->metadata_json, R"({"tags":["x"]})");
  EXPECT_TRUE(redo(ann));
  EXPECT_EQ(order(document), "n a");
  EXPECT_TRUE(undo(ann));
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(document.find_cell("b")->metadata_json, "{}");
  EXPECT_TRUE(undo(bob));
  EXPECT_EQ(order(document), "a b c");
  expect_true_to_engine(document);
}

TEST_F(Undo, ACellOthersWroteInStaysWithTheirText) {
  edit(ann, {CreateCell{"n", "code", "mine", std::nullopt, "a", "{}"}});
  edit(bob, {SpliceSource{"n", 2, 0, "BOB"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "n"), "BOB");
  edit(ann, {CreateCell{"m", "code", "mine", std::nullopt, "a", "{}"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "m"), "<gone>");
  EXPECT_TRUE(redo(ann));
  EXPECT_EQ(source(document, "m"), "mine");
}

TEST_F(Undo, MovesTypesAndMetadataGoBackUnlessOthersChangedThem) {
  edit(ann, {MoveCell{"a", std::nullopt, "c"}});
  edit(ann, {MoveCell{"a", std::nullopt, "b"}});
  edit(ann, {SetCellType{"b", "markdown"}});
  edit(ann, {SetMetadata{std::nullopt, {"k"}, "1"}});
  edit(ann, {SetMetadata{std::nullopt, {"l"}, "1"}});
  edit(bob, {SetMetadata{std::nullopt, {"l"}, "2"}});
  EXPECT_TRUE(undo(ann));  // `l` is bob's now, so `k` is the newest
  EXPECT_EQ(document.metadata_json(), R"({"l":2})");
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(document.find_cell("b")->cell_type, "code");
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(order(document), "b c a");
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(order(document), "a b c");
  EXPECT_TRUE(redo(ann));
  EXPECT_TRUE(redo(ann));
  EXPECT_EQ(order(document), "b a c");
  edit(bob, {MoveCell{"a", "b", std::nullopt}});
  EXPECT_FALSE(undo(ann));
  EXPECT_EQ(order(document), "a b c");
}

// Several cells at once, as blocks and one by one, there and back: every order that was, is again.
TEST_F(Undo, MovesOfSeveralCellsGoBackAndForth) {
  edit(ann, {MoveCell{"a", std::nullopt, "c"}, MoveCell{"b", std::nullopt, "a"}});
  EXPECT_EQ(order(document), "c a b");
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(order(document), "a b c");
  EXPECT_TRUE(redo(ann));
  EXPECT_EQ(order(document), "c a b");
  for (unsigned seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::string> cells{"a", "b", "c", "d", "e", "f"};
    std::vector<CellInput> made;
    for (const auto& id : cells) made.push_back(code(id, id));
    document = notebook(made);
    ann = {}, bob = {};
    std::vector<std::string> orders{order(document)};
    for (int step = 0; step < 8; ++step) {
      std::shuffle(cells.begin(), cells.end(), random);
      const auto many = 1 + random() % 4;
      std::vector<Change> moves;  // behind the last of the shuffled ones, or to the top
      std::optional<std::string> behind = cells.back();
      if (random() % 4 == 0) {
        moves.emplace_back(MoveCell{cells[0], std::string(order(document).substr(0, 1)), std::nullopt});
        if (std::get<MoveCell>(moves.back()).before == cells[0]) moves.clear();
        behind = cells[0];
      }
      for (std::size_t at = 0; at < many; ++at) {
        if (cells[at] == behind) continue;
        moves.emplace_back(MoveCell{cells[at], std::nullopt, behind});
        behind = cells[at];
      }
      if (moves.empty()) continue;
      const auto before = ann.undo_left();
      edit(ann, moves);
      if (ann.undo_left() > before) orders.push_back(order(document));
    }
    auto was = orders.rbegin();
    while (undo(ann)) {
      was = std::find(was, orders.rend(), order(document));
      ASSERT_NE(was, orders.rend()) << "seed " << seed;
    }
    ASSERT_EQ(order(document), orders.front()) << "seed " << seed;
    auto now_at = orders.begin();
    while (redo(ann)) {  // what came to nothing is not put back
      now_at = std::find(now_at, orders.end(), order(document));
      ASSERT_NE(now_at, orders.end()) << "seed " << seed;
    }
    ASSERT_EQ(order(document), orders.back()) << "seed " << seed;
    expect_true_to_engine(document);
  }
}

TEST_F(Undo, ACellThatOthersBroughtBackIsTheirs) {
  edit(ann, {SpliceSource{"a", 4, 3, "2"}});
  edit(ann, {SetMetadata{"b", {"mine"}, "1"}});
  edit(ann, {DeleteCell{"a"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_TRUE(redo(ann));
  edit(bob, {CreateCell{"a", "code", "one two three", std::nullopt, "b", "{}"}});
  EXPECT_TRUE(undo(ann)) << "what was done elsewhere before";
  EXPECT_EQ(source(document, "a"), "one two three");
  EXPECT_FALSE(undo(ann));
  EXPECT_TRUE(redo(ann));
  EXPECT_FALSE(redo(ann));
  EXPECT_EQ(source(document, "a"), "one two three");
  expect_true_to_engine(document);
}

// Ann made the cell anew with another text, bob wrote in it: it stays when she takes that back, and so does his text
// when she goes on to what she did to the cell that was.
TEST_F(Undo, ACellMadeAnewThatOthersWroteInHasNoEarlierLife) {
  edit(ann, {SetMetadata{"b", {"mine"}, "1"}});
  edit(ann, {SpliceSource{"a", 0, 4, ""}});
  edit(ann, {SetMetadata{"a", {"mine"}, "1"}});
  edit(ann, {DeleteCell{"a"}});
  edit(ann, {CreateCell{"a", "code", "new", std::nullopt, "b", "{}"}});
  edit(bob, {SpliceSource{"a", 0, 0, "0123456789"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), "0123456789");
  EXPECT_TRUE(undo(ann)) << "what was done elsewhere before";
  EXPECT_EQ(source(document, "a"), "0123456789");
  EXPECT_FALSE(undo(ann));
  expect_true_to_engine(document);
}

// Where nobody else wrote in it, the cell goes, and the one that was comes back with all its steps.
TEST_F(Undo, ACellMadeAnewGivesWayToTheOneThatWas) {
  const auto before = source(document, "a");
  edit(ann, {SpliceSource{"a", 4, 3, "2"}});
  const auto then = source(document, "a");
  edit(ann, {DeleteCell{"a"}});
  edit(ann, {CreateCell{"a", "code", "quite another text", std::nullopt, "b", "{}"}});
  edit(bob, {SpliceSource{"a", 0, 12, ""}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(document.find_cell("a"), nullptr);
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), then);
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(source(document, "a"), before);
  expect_true_to_engine(document);
}

TEST_F(Undo, WhatIsGoneIsSkipped) {
  edit(ann, {SpliceSource{"b", 0, 0, "x"}});
  edit(ann, {SpliceSource{"a", 0, 3, ""}});
  edit(bob, {DeleteCell{"b"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_FALSE(undo(ann));
  EXPECT_TRUE(undo(bob));
  EXPECT_EQ(source(document, "b"), "xbee");
}

TEST_F(Undo, AttachmentsComeBackWithTheirCell) {
  NotebookInput input{{code("a", "one"), code("b", "two")}, "{}"};
  input.cells[1].attachments_json = R"({"p.png":{"image/png":"AA=="}})";
  document = *NotebookDocument::import(input, kImporter);
  edit(ann, {DeleteCell{"b"}});
  EXPECT_TRUE(undo(ann));
  EXPECT_EQ(document.find_cell("b")->attachments_json, input.cells[1].attachments_json);
}

// Ann types small letters and bob capitals, anywhere; both erase anything. With all of ann's taken back, no small
// letter of hers is left, and of the digits and capitals exactly those are there that bob did not erase.
TEST_F(Undo, AtRandomOnlyOnesOwnGoesBack) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::uint64_t n) { return n == 0 ? 0 : random() % n; };
    document = notebook({code("a", "0123456789")});
    ann = {}, bob = {};
    std::string kept = "0123456789";  // what there would be without ann, in any order
    char next_small = 'a', next_capital = 'A';
    int undone = 0;
    for (int i = 0; i < 24; ++i) {
      const auto text = source(document, "a");
      const bool is_ann = below(2) == 0;
      const auto at = below(text.size() + 1);
      const auto gone = below(std::min<std::uint64_t>(4, text.size() - at + 1));
      std::string insert;
      for (auto n = below(3); n > 0; --n) {
        insert += is_ann ? (next_small = next_small == 'z' ? 'a' : static_cast<char>(next_small + 1))
                         : (next_capital = next_capital == 'Z' ? 'A' : static_cast<char>(next_capital + 1));
      }
      if (gone == 0 && insert.empty()) continue;
      if (!is_ann) {
        for (const auto c : text.substr(at, gone)) {
          if (const auto found = kept.find(c); found != std::string::npos) kept.erase(found, 1);
        }
        kept += insert;
      }
      edit(is_ann ? ann : bob, {SpliceSource{"a", at, gone, insert}});
      if (below(6) == 0 && undo(ann) && below(2) == 0) undone += redo(ann);
    }
    while (undo(ann)) {
    }
    auto left = source(document, "a");
    std::sort(left.begin(), left.end());
    std::sort(kept.begin(), kept.end());
    ASSERT_EQ(left, kept) << "seed " << seed << ", redone " << undone;
  }
}

}  // namespace
}  // namespace lectern::document
