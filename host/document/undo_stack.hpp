// What one author did, so that it can be taken back and nothing of anybody else's with it. Each entry says where its
// text is now: the edits of others move it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "document/edit_step.hpp"
#include "document/notebook_document.hpp"

namespace lectern::document {

/// [reactor] for every function.
class UndoStack {
 public:
  /// The author's own edit. Typing and erasing without a pause are one entry. What was taken back before is forgotten.
  void did(const std::vector<EditStep>& steps, std::int64_t now_ms);
  /// Somebody else's.
  void others_did(const std::vector<EditStep>& steps);

  /// What takes back the newest entry, for apply_transaction on the document as it is now; entries of which nothing is
  /// left are dropped. Empty when there is none. Only what still is as the author left it goes back; a cell others have
  /// written in loses the author's text instead of going.
  std::vector<Change> undo(const NotebookDocument& document);
  std::vector<Change> redo(const NotebookDocument& document);
  /// The changes of the last undo() or redo() were applied, as these steps.
  void undone(const std::vector<EditStep>& steps);
  void redone(const std::vector<EditStep>& steps);
  /// They could not be, or came to nothing: the entry is dropped.
  void undo_failed();
  void redo_failed();

  [[nodiscard]] std::size_t undo_left() const { return undo_.size(); }
  [[nodiscard]] std::size_t redo_left() const { return redo_.size(); }

 private:
  struct Range {
    std::uint64_t begin, end;
  };
  /// Text that came and went at one place; all counted in the source as it was right after the step.
  struct Text {
    std::string cell_id;
    std::uint64_t at = 0;       // where `removed` goes back to
    std::vector<Range> ranges;  // what is left of the author's text, in order, never before `at`
    std::string removed;
    std::uint64_t removed_length = 0;  // in code points
    bool touched = false;              // others wrote in the cell
  };
  struct Made {  // a cell; `text` is its first source
    Text text;
  };
  using Step = std::variant<Text, Made, RemoveStep, MoveStep, TypeStep, MetadataStep>;
  struct Entry {
    std::vector<Step> steps;
    std::int64_t at_ms = 0;
    std::size_t bytes = 0;
  };
  using Entries = std::deque<Entry>;
  struct Splice {
    std::string cell_id;
    std::uint64_t index, deleted, inserted;
  };
  class Reversal;

  static Entry entry_of(const std::vector<EditStep>& steps, std::int64_t now_ms);
  static void move(Entries& entries, Splice splice);
  static bool beside(Text& text, Splice& splice);
  static std::vector<Splice> pass(Text& text, const Splice& splice);
  static const std::string& cell_of(const Step& step);
  static void forget(Entries& entries, const std::string& cell_id);
  /// What was done to the cell before the step `made` of `entry`.
  static void forget_older(Entries& entries, Entries::reverse_iterator entry, std::vector<Step>::reverse_iterator made);
  static void rename(Entries& entries, const std::string& cell_id, const std::string& from, const std::string& to);
  void stand(Entry& entry, const Entry* done);
  void renumbered(const std::vector<EditStep>& steps);
  bool joins(const Entry& entry) const;
  void join(Entry entry);
  void bound();
  std::vector<Change> reverse(Entries& entries, const NotebookDocument& document);

  Entries undo_, redo_;  // the newest last
  /// What was taken back stands at a new position that may lie beyond places which other entries name. Until it is
  /// moved again, these cells count as standing where they stood. By cell id.
  std::map<std::string, std::string> stands_;
  std::vector<MoveStep> planned_;  // of the last undo() or redo()
};

}  // namespace lectern::document
