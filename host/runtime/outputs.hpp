// The outputs of one session, cell by cell: what viewers see, what late joiners get, what is saved. Streams are merged
// and run through a small terminal, large values live in the BlobStore. What a run says past the limits of its cell is
// not shown, but kept: see WholeOutput. Everything [reactor] unless tagged otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/task.hpp"
#include "runtime/blobs.hpp"
#include "runtime/loaded_outputs.hpp"

namespace lectern::runtime {

class WholeOutput;

struct OutputLimits {
  std::size_t blob_over = 64u << 10;   // a mime value of more bytes becomes {"$blob":…}
  std::size_t cell_bytes = 64u << 20;  // shown text of one cell; all that it says goes into a file from there on
  std::size_t cell_outputs = 20'000;   // outputs of one cell
};

/// The outputs of one cell as they go into the file. Cheap to take on the reactor, written out by a worker.
class SavedOutputs {
 public:
  /// [worker] JSON array text in nbformat 4 shape: text as lists of lines, blobs inlined again. Outputs that came from
  /// the file and were not touched since are the file's own bytes. 500 when a blob is gone: the caller must not save.
  [[nodiscard]] Result<std::string> text(const BlobStore& blobs) const;
  /// [any] True when this is the file's own text.
  [[nodiscard]] bool untouched() const { return loaded_ != nullptr; }
  /// [any] That text. Needs untouched().
  [[nodiscard]] std::string_view file_text() const { return loaded_->json(); }
  /// [any] There are none, in the file or here.
  [[nodiscard]] bool empty() const { return loaded_ == nullptr && pieces_.empty(); }

 private:
  friend class OutputStore;
  struct Piece {
    Text text;
    bool verbatim = false;  // the file's own text of one output; else as shown, blobs by reference
  };
  LoadedPtr loaded_;
  std::vector<Piece> pieces_;
};

class OutputStore {
 public:
  explicit OutputStore(BlobStore& blobs, OutputLimits limits = {});
  ~OutputStore();
  OutputStore(const OutputStore&) = delete;
  OutputStore& operator=(const OutputStore&) = delete;

  // -- what the file held
  /// Takes the `outputs` array text of a cell as it stands in the file. Not parsed until it is shown.
  void load(std::string_view cell_id, Text outputs_json);
  /// The same; `keeps` owns the bytes of `outputs_json`.
  void load(std::string_view cell_id, std::shared_ptr<const void> keeps, std::string_view outputs_json);
  /// A worker has looked at loaded outputs: whoever has a view of them can send it.
  void looked_at(LoadedOutputs& loaded, LoadedOutputs::Look look);
  /// Lets go of what was looked at for people who have it by now.
  void forget_looks();
  [[nodiscard]] const OutputLimits& limits() const { return limits_; }
  /// Notices name what is kept whole by this URL and its id: "/api/v1/sessions/S/outputs/".
  void give_out_under(std::string url) { whole_url_ = std::move(url); }

  // -- what the kernel says. Each change is remembered and handed out by take_ops.
  /// A new run of the cell begins: its outputs are cleared.
  void begin(std::string_view cell_id);
  void stream(std::string_view cell_id, std::string_view name, std::string_view text);
  /// `output` = one nbformat output as JSON object text; `display_id` may be empty. Invalid JSON is refused (400).
  Status add(std::string_view cell_id, std::string_view output, std::string_view display_id);
  /// Replaces data and metadata of every output with this display_id, in whichever cells. Returns those cells.
  std::vector<std::string> update_display(std::string_view display_id, std::string_view output);
  void clear(std::string_view cell_id, bool wait);
  /// The run ended: says in the cell what went wrong by now with keeping what it said, if nothing did yet.
  void settle(std::string_view cell_id);
  /// The file of what the cell does not show, for give_whole() after its outputs were erased and loaded anew. May be
  /// null.
  [[nodiscard]] std::unique_ptr<WholeOutput> take_whole(std::string_view cell_id);
  void give_whole(std::string_view cell_id, std::unique_ptr<WholeOutput> whole);

  // -- what people do
  /// The cell is gone from the notebook.
  void erase(std::string_view cell_id);

  // -- what viewers get
  /// JSON array text of `outputs` of a cell-op since the last call: append, append_text, replace, clear. Empty when
  /// nothing changed. Changes of one output coalesce.
  std::string take_ops(std::string_view cell_id);
  /// Cells with ops waiting, in the order they first changed.
  [[nodiscard]] std::vector<std::string> changed_cells() const;
  [[nodiscard]] bool has_changed(std::string_view cell_id) const;
  /// For a joiner: the outputs as they are now. Costs little; see OutputsView::ready.
  [[nodiscard]] OutputsView view(std::string_view cell_id);
  /// JSON array text of the outputs as shown. Looks at loaded ones itself.
  std::string shown(std::string_view cell_id);
  [[nodiscard]] bool has_outputs(std::string_view cell_id) const;
  /// So much text they are, more or less.
  [[nodiscard]] std::size_t bytes(std::string_view cell_id) const;
  /// Cells that have outputs, in no particular order.
  [[nodiscard]] std::vector<std::string> cells() const;

  // -- what is saved, and who may read a blob
  [[nodiscard]] SavedOutputs to_nbformat(std::string_view cell_id) const;
  /// True when an output shown here names this blob.
  [[nodiscard]] bool has_blob(std::string_view sha256) const { return named_.contains(std::string(sha256)); }
  /// True when a notice shown here names what is kept whole under `id`.
  [[nodiscard]] bool has_whole(std::string_view id) const { return named_.contains(std::string(id)); }
  /// What a worker has to run before it opens that, for the newest of it to be there; null = nothing.
  [[nodiscard]] Task whole_up_to_date(std::string_view id) const;

 private:
  struct Output;
  struct Cell;
  Cell& cell(std::string_view cell_id);
  Cell* find(std::string_view cell_id) const;
  void touch(Cell& cell);
  void wipe(Cell& cell);
  [[nodiscard]] std::size_t room(const Cell& cell) const;
  void keep_whole(Cell& cell, std::string_view rest);
  void show_stream(Cell& cell, std::string_view name, std::string_view text);
  void notice(Cell& cell, const std::string& words);
  void tell_whole(Cell& cell);
  void tell_trouble(Cell& cell);
  void append(Cell& cell, Output output);
  void note_changed(Cell& cell);
  Text as_shown(std::string_view output);
  const std::vector<Text>& look(LoadedOutputs& loaded);

  BlobStore& blobs_;
  OutputLimits limits_;
  std::unordered_map<std::string, std::unique_ptr<Cell>> cells_;
  std::unordered_map<std::string, std::unordered_set<std::string>> displays_;  // display_id -> cells that show it
  std::unordered_set<std::string> named_;                                      // blobs, and ids of what is kept whole
  std::string whole_url_;
  std::vector<std::string> changed_;
};

}  // namespace lectern::runtime
