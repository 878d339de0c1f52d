// The part of Outside that asks: cells that another program and somebody here changed differently, and the choice.
#include <algorithm>
#include <utility>

#include "base/json.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"
#include "session/outside.hpp"
#include "session/running.hpp"
#include "session/saver.hpp"

namespace lectern::session {

Error Outside::refusal() const {
  Error error{409, "conflict", session_.path() + " was changed by another program", "choose which version to keep", ""};
  if (unreadable_) {
    error.message += " and " + unreadable_->message;
    error.hint = "overwrite it, or save under another path";
  } else {
    error.message += "; " + std::to_string(conflicts_.size()) + (conflicts_.size() == 1 ? " cell was" : " cells were") +
                     " also changed here.";
  }
  error.message += " It was not overwritten; the edits are in the host's journal.";
  return error;
}

std::string Outside::conflict_json() const {
  if (!asks()) return {};
  const auto error = refusal();
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("path", session_.path());
  writer.member_raw("choices",
                    conflicts_.empty() ? R"(["overwrite","save_as"])" : R"(["resolve","overwrite","save_as"])");
  writer.member("message", error.message).key("cells").begin_array();
  for (const auto& conflict : conflicts_) {
    writer.begin_object().member("cell_id", conflict.cell_id).member("kind", document::kind_name(conflict.kind));
    if (conflict.kind != document::CellConflict::Kind::deleted_there) {
      writer.key("theirs")
          .begin_object()
          .member("cell_type", conflict.cell_type)
          .member("source", conflict.source)
          .end_object();
    }
    writer.end_object();
  }
  writer.end_array().end_object();
  return out;
}

// Without choices: there is none any more.
void Outside::tell_conflict() {
  if (!asks() && !told_) return;
  told_ = asks();
  auto data = conflict_json();
  if (data.empty()) {
    json::Writer(data)
        .begin_object()
        .member("path", session_.path())
        .member_raw("choices", "[]")
        .member_raw("cells", "[]")
        .end_object();
  }
  session_.connections().publish(Op::conflict, std::move(data));
  if (asks()) session_.saver().conflicted(refusal());
}

// True when the cell is the file's now, outputs included.
bool Outside::apply(const document::CellConflict& conflict, document::MergeChoice choice, Refusal refusal, Task made) {
  const auto* live = session_.editing().document().find_cell(conflict.cell_id);
  const auto changes = document::changes_of(conflict, choice, live);
  document::settle(base_, conflict);
  if (!changes.empty()) {
    session_.editing().host_edit(
        changes, "file",
        [this, conflict, refusal = std::move(refusal)](Error why) {
          if (refusal) *refusal = std::move(why);
          not_applied(conflict);
        },
        std::move(made));
  } else if (made) {
    made();
  }
  if (conflict.kind == document::CellConflict::Kind::deleted_there) return false;
  return choice == document::MergeChoice::theirs || (choice == document::MergeChoice::both && live == nullptr);
}

// There is still something to choose, and the next merge has to find it again.
void Outside::not_applied(const document::CellConflict& conflict) {
  const auto it = std::find_if(base_.cells.begin(), base_.cells.end(),
                               [&](const document::BaseCell& cell) { return cell.id == conflict.cell_id; });
  if (it != base_.cells.end()) {
    it->source_hash.clear();
  } else {
    base_.cells.push_back({conflict.cell_id, conflict.cell_type, {}, conflict.metadata_json, false});
  }
  conflicts_.push_back(conflict);
  tell_conflict();
}

void Outside::keep_ours() {
  for (const auto& conflict : std::exchange(conflicts_, {})) {
    (void)apply(conflict, document::MergeChoice::ours, nullptr, {});
  }
}

void Outside::resolve(Invocation invocation) {
  const auto& rows = *invocation.body.find("choices")->as_array();
  std::vector<std::pair<std::size_t, document::MergeChoice>> chosen;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto where = "body.choices[" + std::to_string(i) + "]";
    const auto* id = rows[i].find("cell_id");
    const auto* choice = rows[i].find("choice");
    if (id == nullptr || !id->is_string() || choice == nullptr || !choice->is_string()) {
      return invocation.error(json::error_at(where, " must be {cell_id, choice}"));
    }
    const auto& word = *choice->as_string();
    if (word != "ours" && word != "theirs" && word != "both") {
      return invocation.error(json::error_at(where + ".choice", " must be ours, theirs or both"));
    }
    const auto it = std::find_if(conflicts_.begin(), conflicts_.end(),
                                 [&](const auto& conflict) { return conflict.cell_id == *id->as_string(); });
    if (it == conflicts_.end()) {
      return invocation.error(404, "no_conflict", where + ": there is nothing to choose for this cell",
                              "somebody else may have chosen already");
    }
    chosen.emplace_back(it - conflicts_.begin(), word == "ours"     ? document::MergeChoice::ours
                                                 : word == "theirs" ? document::MergeChoice::theirs
                                                                    : document::MergeChoice::both);
  }
  std::unordered_set<std::size_t> done;
  const auto refusal = std::make_shared<std::optional<Error>>();
  const auto open = std::exchange(conflicts_, {});
  for (const auto& [place, choice] : chosen) done.insert(place);
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (!done.contains(i)) conflicts_.push_back(open[i]);
  }
  // A worker makes the long ones, one after the other: the answer comes after all of them.
  struct Countdown {
    std::size_t left = 1;
    std::vector<std::string> taken;
    Invocation invocation;
  };
  const auto countdown = std::make_shared<Countdown>(Countdown{1, {}, std::move(invocation)});
  const auto one_less = [this, countdown, refusal] {
    if (--countdown->left > 0) return;
    session_.editing().when_durable(
        [this, countdown, refusal] { resolved(countdown->taken, refusal, std::move(countdown->invocation)); });
  };
  for (const auto& [place, choice] : chosen) {
    if (done.erase(place) == 0) continue;
    ++countdown->left;
    if (apply(open[place], choice, refusal, one_less)) countdown->taken.push_back(open[place].cell_id);
  }
  one_less();
}

void Outside::resolved(const std::vector<std::string>& taken, const Refusal& refusal, Invocation invocation) {
  for (const auto& cell : taken) {
    const bool asked = std::any_of(conflicts_.begin(), conflicts_.end(),
                                   [&](const auto& conflict) { return conflict.cell_id == cell; });
    if (!asked) take(cell);
  }
  std::string out;
  json::Writer(out).begin_object().member("left", static_cast<std::uint64_t>(conflicts_.size())).end_object();
  tell_conflict();
  if (!asks()) {
    record(false);
    session_.saver().file_merged(false);
  }
  if (*refusal) return invocation.error(std::move(**refusal));
  invocation.ok(std::move(out));
}

}  // namespace lectern::session
