#include "document/transaction_plan.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "document/json_text.hpp"
#include "document/position.hpp"
#include "document/source_difference.hpp"

namespace lectern::document {
namespace {

constexpr std::size_t kMaxIdBytes = 256;

// A cell as the transaction sees it so far.
struct Slot {
  std::string id;
  std::string position;
  const Cell* live = nullptr;         // null: made by this transaction
  std::optional<std::string> source;  // as set so far; splices only count
  std::uint64_t length = 0;           // in code points, after the splices so far
  std::uint64_t bytes = 0;            // at most
  bool deleted = false;
  bool edited = false;  // its content or place was named by an earlier change
  bool replaced = false, spliced = false;
};

class Planner {
 public:
  Planner(const LiveCells& cells, const DocumentLimits& limits, std::optional<std::uint64_t> base_version)
      : cells_(cells), limits_(limits), base_version_(base_version) {}

  Result<TransactionPlan> run(const std::vector<Change>& changes) {
    for (const auto& change : changes) {
      if (const auto* splice = std::get_if<SpliceSource>(&change)) ++splices_of_[splice->cell_id];
    }
    for (index_ = 0; index_ < changes.size(); ++index_) {
      LECTERN_CHECK(std::visit([this](const auto& change) { return plan(change); }, changes[index_]));
    }
    return std::move(plan_);
  }

 private:
  // ---- outcomes of one change

  // What is said of a change that is made without some of what it names.
  void note(std::string reason) { plan_.dropped.push_back({index_, std::move(reason)}); }
  Status drop(std::string reason) {
    note(std::move(reason));
    return {};
  }
  [[nodiscard]] std::string here() const { return "changes[" + std::to_string(index_) + "]"; }
  auto invalid(std::string_view what, std::string hint = {}) const {
    return fail(400, "invalid_change", here() + ": " + std::string(what), std::move(hint), place_in_body());
  }
  [[nodiscard]] std::string place_in_body() const { return R"({"path":"body.)" + here() + "\"}"; }
  auto contradiction(std::string_view what) const {
    return fail(422, "contradiction", here() + ": " + std::string(what), "send the two edits in separate transactions");
  }
  auto too_large(std::string_view what) const { return fail(413, "too_large", here() + ": " + std::string(what)); }

  // ---- the notebook as this transaction sees it

  Slot* find(const std::string& id) {
    if (const auto it = slots_.find(id); it != slots_.end()) return it->second.get();
    const auto* live = cells_.find(id);
    if (live == nullptr) return nullptr;
    auto slot = std::make_unique<Slot>();
    slot->id = id;
    slot->position = live->position;
    slot->live = live;
    slot->length = live->source_length;
    slot->bytes = live->source.size();
    return slots_.emplace(id, std::move(slot)).first->second.get();
  }
  Slot* find_standing(const std::string& id) {
    auto* slot = find(id);
    return slot != nullptr && !slot->deleted ? slot : nullptr;
  }
  // The order is needed only when something is placed; typing never pays for it.
  std::vector<Slot*>& order() {
    if (!ordered_) {
      ordered_ = true;
      for (const auto* cell : cells_.ordered()) order_.push_back(find(cell->id));
      // What was deleted before the order was asked for is not in it.
      std::erase_if(order_, [](const Slot* slot) { return slot->deleted; });
    }
    return order_;
  }
  static const std::string& source_of(const Slot& slot) { return slot.source ? *slot.source : slot.live->source; }

  // ---- placing

  // Where a cell goes: the index in order() before which it stands.
  std::optional<std::size_t> place(const std::optional<std::string>& before, const std::optional<std::string>& after,
                                   const Slot* moved) {
    auto& all = order();
    for (const auto& [anchor, offset] : {std::pair{&after, 1}, std::pair{&before, 0}}) {
      if (!*anchor) continue;
      const auto* slot = find_standing(**anchor);
      if (slot == nullptr || slot == moved) continue;
      return static_cast<std::size_t>(std::find(all.begin(), all.end(), slot) - all.begin() + offset);
    }
    return std::nullopt;
  }

  // A position for a cell that stands at `at` in order(); numbers everything anew when there is no room.
  std::string position_at(std::size_t at) {
    auto& all = order();
    const auto neighbour = [&](std::size_t i) -> std::optional<std::string_view> { return all[i]->position; };
    const auto left = at > 0 ? neighbour(at - 1) : std::nullopt;
    const auto right = at < all.size() ? neighbour(at) : std::nullopt;
    if (auto position = position_between(left, right)) return std::move(*position);
    auto fresh = positions_for(all.size() + 1);
    for (std::size_t i = 0; i < all.size(); ++i) reposition(*all[i], std::move(fresh[i < at ? i : i + 1]));
    return std::move(fresh[at]);
  }

  void reposition(Slot& slot, std::string position) {
    slot.position = std::move(position);
    plan_.ops.push_back(FieldOp{slot.id, "position", slot.position});
  }

  [[nodiscard]] std::pair<std::optional<std::string>, std::optional<std::string>> anchors(std::size_t at) {
    auto& all = order();
    if (at > 0) return {std::nullopt, all[at - 1]->id};
    if (all.size() > 1) return {all[1]->id, std::nullopt};
    return {};
  }

  // ---- checks

  Status check_type(std::string_view cell_type) const {
    if (cell_type == "code" || cell_type == "markdown" || cell_type == "raw") return {};
    return invalid("cell_type must be code, markdown or raw, not \"" + text::label(cell_type, 40) + "\"");
  }
  Status check_source(std::string_view source) const {
    if (source.size() > limits_.max_source_bytes) {
      return too_large("a source of more than " + std::to_string(limits_.max_source_bytes) +
                       " bytes (the setting max-cell-bytes)");
    }
    if (!text::valid_utf8(source)) return invalid("the text is not UTF-8");
    return {};
  }
  Status check_json(std::string_view json, bool object) const {
    if (json.size() > limits_.max_metadata_bytes) {
      return too_large("a value of more than " + std::to_string(limits_.max_metadata_bytes) + " bytes");
    }
    std::string normal;
    if (const auto outcome = Engine::normalize_json(json, normal); !outcome) return invalid(outcome.message);
    if (object && !normal.starts_with('{')) return invalid("metadata must be a JSON object");
    return {};
  }

  // ---- the changes

  Status plan(const CreateCell& change) {
    if (change.cell_id.empty() || change.cell_id.size() > kMaxIdBytes || !text::valid_utf8(change.cell_id)) {
      return invalid("cell_id must be 1 to 256 bytes of UTF-8");
    }
    LECTERN_CHECK(check_type(change.cell_type));
    LECTERN_CHECK(check_source(change.source));
    LECTERN_CHECK(check_json(change.metadata_json, true));
    if (const auto* slot = find(change.cell_id); slot != nullptr) {
      return drop(slot->deleted ? "the cell id was deleted in this transaction" : "the cell exists already");
    }
    if (order().size() >= limits_.max_cells)
      return too_large("the notebook has as many cells as are allowed, " + std::to_string(limits_.max_cells) +
                       " (the setting max-notebook-cells)");
    for (const auto* anchor : {&change.before, &change.after}) {
      if (*anchor && find_standing(**anchor) == nullptr) note("the anchor cell is gone; the new cell is not");
    }
    const auto at = place(change.before, change.after, nullptr).value_or(order().size());
    auto slot = std::make_unique<Slot>();
    slot->id = change.cell_id;
    slot->position = position_at(at);
    slot->source = change.source;
    slot->length = text::code_points(change.source);
    slot->bytes = change.source.size();
    CreateOp op;
    op.cell.id = change.cell_id;
    op.cell.cell_type = change.cell_type;
    op.cell.position = slot->position;
    op.cell.source = change.source;
    op.cell.metadata_json = change.metadata_json;
    op.cell.execution_count_json = "null";
    plan_.ops.emplace_back(std::move(op));
    plan_.staged[change.cell_id] = change.metadata_json;
    order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(at), slot.get());
    slots_.emplace(change.cell_id, std::move(slot));
    auto [before, after] = anchors(at);
    auto said = change;
    said.before = std::move(before);
    said.after = std::move(after);
    plan_.applied.emplace_back(std::move(said));
    return {};
  }

  Status plan(const DeleteCell& change) {
    auto* slot = find(change.cell_id);
    if (slot == nullptr) return drop("the cell is gone");
    if (slot->deleted) return contradiction("the cell is deleted twice");
    if (slot->edited) return contradiction("the cell is edited or moved and deleted");
    slot->deleted = true;
    if (ordered_) std::erase(order_, slot);
    plan_.ops.push_back(DeleteOp{change.cell_id});
    plan_.staged.erase(change.cell_id);
    plan_.applied.emplace_back(change);
    return {};
  }

  Status plan(const MoveCell& change) {
    auto* slot = find(change.cell_id);
    if (slot == nullptr) return drop("the cell is gone");
    if (slot->deleted) return contradiction("the cell is deleted and moved");
    if (!change.before && !change.after) return drop("neither before nor after is given");
    for (const auto* anchor : {&change.before, &change.after}) {
      if (!*anchor) continue;
      if (**anchor == change.cell_id) return drop("a cell cannot be placed next to itself");
      if (find_standing(**anchor) == nullptr) return drop("the anchor cell is gone");
    }
    slot->edited = true;
    auto& all = order();
    const auto from = static_cast<std::size_t>(std::find(all.begin(), all.end(), slot) - all.begin());
    const auto target = place(change.before, change.after, slot).value_or(from);
    const auto at = target > from ? target - 1 : target;
    if (at == from) return {};
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(from));
    reposition(*slot, position_at(at));
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(at), slot);
    auto [before, after] = anchors(at);
    plan_.applied.emplace_back(MoveCell{change.cell_id, std::move(before), std::move(after)});
    return {};
  }

  Status plan(const ReorderCells& change) {
    auto& all = order();
    std::unordered_map<const Slot*, std::size_t> rank;
    for (const auto& id : change.cell_ids) {
      if (const auto* slot = find_standing(id)) rank.emplace(slot, rank.size());
    }
    if (rank.empty()) return drop("none of the cells is here");
    if (const auto gone = change.cell_ids.size() - rank.size(); gone != 0)
      note(std::to_string(gone) + " of the cells are not here; the others are in this order");
    const auto was = all;
    std::stable_sort(all.begin(), all.end(), [&](const Slot* a, const Slot* b) {
      const auto at = [&](const Slot* slot) {
        const auto it = rank.find(slot);
        return it == rank.end() ? rank.size() : it->second;
      };
      return at(a) < at(b);
    });
    if (all == was) return {};
    number_in_order(was);
    ReorderCells said;
    for (const auto* slot : all) said.cell_ids.push_back(slot->id);
    plan_.applied.emplace_back(std::move(said));
    return {};
  }

  // Gives new positions to as few cells as possible: the longest run of cells that stayed in order keeps its own.
  void number_in_order(const std::vector<Slot*>& was) {
    auto& all = order();
    std::unordered_map<const Slot*, std::size_t> old;
    for (std::size_t i = 0; i < was.size(); ++i) old.emplace(was[i], i);
    std::vector<std::size_t> tails, parent(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto it = std::lower_bound(tails.begin(), tails.end(), old[all[i]],
                                       [&](std::size_t tail, std::size_t value) { return old[all[tail]] < value; });
      parent[i] = it == tails.begin() ? all.size() : *(it - 1);
      if (it == tails.end()) {
        tails.push_back(i);
      } else {
        *it = i;
      }
    }
    std::vector<bool> stays(all.size());
    for (std::size_t i = tails.empty() ? all.size() : tails.back(); i < all.size(); i = parent[i]) stays[i] = true;
    std::optional<std::string> left;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!stays[i]) {
        const auto next = std::find(stays.begin() + static_cast<std::ptrdiff_t>(i), stays.end(), true) - stays.begin();
        const auto at = static_cast<std::size_t>(next);
        std::optional<std::string_view> low, high;
        if (left) low = *left;
        if (at < all.size()) high = all[at]->position;
        auto position = position_between(low, high);
        if (!position) return number_everything();
        reposition(*all[i], std::move(*position));
      }
      left = all[i]->position;
    }
  }

  void number_everything() {
    auto fresh = positions_for(order().size());
    for (std::size_t i = 0; i < fresh.size(); ++i) reposition(*order()[i], std::move(fresh[i]));
  }

  Status plan(const SetSource& change) {
    LECTERN_CHECK(check_source(change.source));
    auto* slot = find(change.cell_id);
    if (slot == nullptr) return drop("the cell is gone");
    if (slot->deleted) return contradiction("the cell is deleted and edited");
    if (slot->spliced) return contradiction("the source is spliced and set");
    slot->edited = slot->replaced = true;
    const auto& now = source_of(*slot);
    if (change.base_hash) {
      auto hash = crypto::sha256_hex(now);
      if (hash != *change.base_hash) return stale_base(change.cell_id, now, hash);
    }
    auto splices = source_difference(change.cell_id, now, change.source);
    if (!splices.empty()) plan_.applied.emplace_back(SetSource{change.cell_id, change.source, std::nullopt});
    std::move(splices.begin(), splices.end(), std::back_inserter(plan_.ops));
    slot->source = change.source;
    return {};
  }

  Status stale_base(const std::string& cell_id, const std::string& source, const std::string& hash) const {
    std::string details;
    json::Writer(details)
        .begin_object()
        .member("cell_id", cell_id)
        .member("source", source)
        .member("source_hash", hash)
        .end_object();
    return fail(409, "stale_base", here() + ": the source of cell " + cell_id + " is not the one the edit was made on",
                "merge with details.source and send it again", std::move(details));
  }

  Status plan(const SpliceSource& change) {
    LECTERN_CHECK(check_source(change.insert));
    auto* slot = find(change.cell_id);
    if (slot == nullptr) return drop("the cell is gone");
    if (slot->deleted) return contradiction("the cell is deleted and edited");
    if (slot->replaced) return contradiction("the source is set and spliced");
    slot->edited = slot->spliced = true;
    if (slot->live != nullptr) {
      if (!base_version_) {
        return fail(400, "base_required", here() + ": splice_source needs the transaction's base_version",
                    "name the version whose source the index counts in", place_in_body());
      }
      if (slot->live->source_version > *base_version_) return plan_late(change, *slot);
    }
    return plan_splice(change, *slot);
  }

  // The source changed since. A lone splice is carried over by arithmetic; several on one source, which count in each
  // other's result, are made by the engine at that version.
  Status plan_late(const SpliceSource& change, Slot& slot) {
    if (splices_of_[change.cell_id] == 1) {
      bool in_range = true;
      const auto carried =
          cells_.history_of(change.cell_id)->carry(change, *base_version_, slot.live->source_length, in_range);
      if (!in_range) return out_of_range(change, "which was shorter at version " + std::to_string(*base_version_));
      if (carried) {
        for (const auto& splice : *carried) LECTERN_CHECK(plan_splice(splice, slot));
        return {};
      }
    }
    plan_.late.push_back({index_, change});
    return {};
  }

  Status out_of_range(const SpliceSource& change, const std::string& why) const {
    return fail(422, "out_of_range",
                here() + ": a splice at " + std::to_string(change.index) + " deleting " +
                    std::to_string(change.delete_count) + " in cell " + change.cell_id + ", " + why);
  }

  Status plan_splice(const SpliceSource& change, Slot& slot) {
    if (change.index > slot.length || change.delete_count > slot.length - change.index) {
      return out_of_range(change, "whose source has " + std::to_string(slot.length) + " code points");
    }
    slot.length += text::code_points(change.insert) - change.delete_count;
    slot.bytes += change.insert.size();
    if (slot.bytes > limits_.max_source_bytes)
      return too_large("the source grows past " + std::to_string(limits_.max_source_bytes) +
                       " bytes (the setting max-cell-bytes)");
    if (change.delete_count == 0 && change.insert.empty()) return {};
    plan_.ops.emplace_back(change);
    plan_.applied.emplace_back(change);
    return {};
  }

  Status plan(const SetCellType& change) {
    LECTERN_CHECK(check_type(change.cell_type));
    auto* slot = find(change.cell_id);
    if (slot == nullptr) return drop("the cell is gone");
    if (slot->deleted) return contradiction("the cell is deleted and edited");
    slot->edited = true;
    plan_.ops.push_back(FieldOp{change.cell_id, "cell_type", change.cell_type});
    plan_.applied.emplace_back(change);
    return {};
  }

  Status plan(const SetMetadata& change) {
    if (change.path.empty()) return invalid("the metadata path is empty", "name at least one key");
    if (change.path.size() >= limits_.max_json_depth) return invalid("the metadata path is too long");
    for (const auto& key : change.path) {
      if (!text::valid_utf8(key)) return invalid("a key of the metadata path is not UTF-8");
    }
    if (change.value_json) LECTERN_CHECK(check_json(*change.value_json, false));
    const auto owner = change.cell_id.value_or("");
    const std::string* text = nullptr;
    if (change.cell_id) {
      auto* slot = owner.empty() ? nullptr : find(owner);
      if (slot == nullptr) return drop("the cell is gone");
      if (slot->deleted) return contradiction("the cell is deleted and edited");
      slot->edited = true;
      if (slot->live != nullptr) text = &slot->live->metadata_json;
    } else {
      text = &cells_.metadata_json();
    }
    auto staged = plan_.staged.find(owner);
    if (staged == plan_.staged.end()) staged = plan_.staged.emplace(owner, *text).first;
    staged->second = change.value_json ? json_text::with(staged->second, change.path, *change.value_json)
                                       : json_text::without(staged->second, change.path);
    plan_.ops.push_back(MetadataOp{owner, change.path, change.value_json});
    plan_.applied.emplace_back(change);
    return {};
  }

  const LiveCells& cells_;
  const DocumentLimits& limits_;
  std::optional<std::uint64_t> base_version_;
  std::size_t index_ = 0;
  TransactionPlan plan_;
  std::unordered_map<std::string, std::size_t> splices_of_;
  std::unordered_map<std::string, std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> order_;
  bool ordered_ = false;
};

}  // namespace

Result<TransactionPlan> plan_transaction(const LiveCells& cells, const DocumentLimits& limits,
                                         const std::vector<Change>& changes,
                                         std::optional<std::uint64_t> base_version) {
  return Planner(cells, limits, base_version).run(changes);
}

}  // namespace lectern::document
