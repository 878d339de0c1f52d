#include "little_outputs.hpp"

#include <dlfcn.h>

#include <algorithm>

namespace lectern::crash {
namespace {

// Our lines, whichever shape of JSON they are in.
std::string numbers_said(std::string_view outputs) {
  constexpr std::string_view before = "said ";
  std::string state;
  for (auto at = outputs.find(before); at != std::string_view::npos; at = outputs.find(before, at)) {
    at += before.size();
    if (!state.empty()) state += ',';
    for (; at < outputs.size() && outputs[at] >= '0' && outputs[at] <= '9'; ++at) state += outputs[at];
  }
  return state.empty() ? "-" : state;
}

// As JSON spells it.
std::string text_of(const std::string& state) {
  std::string text;
  for (std::size_t at = 0; state != "-" && at < state.size();) {
    const auto end = std::min(state.find(',', at), state.size());
    text += "said " + state.substr(at, end - at) + "\\n";
    at = end + 1;
  }
  return text;
}

std::string stream_of(const std::string& text) {
  return R"({"output_type":"stream","name":"stdout","text":")" + text + "\"}";
}

std::string outputs_of(const std::string& state) {
  return state == "-" ? "[]" : "[" + stream_of(text_of(state)) + "]";
}

std::optional<document::Fingerprint> named_by_log(const std::string& dir) {
  const auto past = document::Journal::peek(dir, "outputs");
  if (!past || !*past || !(*past)->meta.contains("file")) return std::nullopt;
  const auto& name = (*past)->meta.at("file");
  const auto colon = name.find(':');
  if (colon == std::string::npos) return std::nullopt;
  return document::Fingerprint{name.substr(0, colon), std::stoull(name.substr(colon + 1)), 0};
}

// Calls that the disk failed until now.
std::uint64_t failed_calls() {
  static const auto count = reinterpret_cast<std::uint64_t (*)()>(::dlsym(RTLD_DEFAULT, "lectern_disk_failures"));
  return count == nullptr ? 0 : count();
}

}  // namespace

ToldOutputs::ToldOutputs() {
  for (const auto* cell : output_cells) {
    shown[cell] = {"-"};
    kept[cell] = 0;
  }
}

void ToldOutputs::read(const std::string& word, const std::string& cell, const std::string& state) {
  if (word != "shows" && word != "kept" && word != "seen" && word != "unopened") return;
  auto& states = shown[cell];
  if (word == "shows") return states.push_back(state);
  const auto found = std::find(states.rbegin(), states.rend(), state);
  if (found == states.rend()) return wrong.push_back("the cell " + cell + " shows what it never did: " + state);
  const auto index = static_cast<std::size_t>(states.rend() - found) - 1;
  if (index < kept[cell] && word != "unopened") {
    wrong.push_back("the cell " + cell + " shows " + state + ", after " + states[kept[cell]] + " was durable");
  }
  if (word == "seen") states.resize(index + 1);
  unopened = unopened || word == "unopened";
  kept[cell] = word == "kept" ? index : std::min(kept[cell], index);
}

LittleOutputs::LittleOutputs(std::string state, LogUse use)
    : state_(std::move(state)), use_(use), blobs_(state_ + "/blobs", workers_) {
  start_journals();
}

void LittleOutputs::start_journals() {
  log_.reset();
  other_.reset();
  writer_ = std::make_unique<document::JournalWriter>();
  other_ = document::Journal::in_memory(*writer_);
}

bool LittleOutputs::open(const document::OpenedNotebook& book) {
  book_ = &book;
  for (const auto* cell : output_cells) in_file_[cell] = "-";
  std::optional<document::Fingerprint> file;
  if (book.file) {
    file = book.file->fingerprint;
    for (const auto& cell : book.file->cells) {
      const auto found = in_file_.find(std::string(cell.id));
      if (found != in_file_.end()) found->second = numbers_said(cell.outputs);
    }
  }
  return open_log(book.start == document::Start::restored, std::move(file));
}

bool LittleOutputs::open_log(bool same_history, std::optional<document::Fingerprint> file) {
  shown_ = in_file_;
  if (use_.any_content) {
    if (auto named = named_by_log(book_->state_dir)) file = std::move(named);
  }
  auto opened =
      session::OutputLog::open(*writer_, book_->state_dir, file, same_history, blobs_, session::OutputLog::Limits{});
  if (!opened) return false;
  for (const auto& cell : opened->restored) shown_[cell.cell_id] = numbers_said(cell.outputs);
  log_ = std::move(opened->log);
  log_->ask(
      {[this] { return book_->last_known; }, [this](const std::string& id) { return shown_[id].size(); },
       [this](const std::string& id) { return session::OutputLog::whole_entry(outputs_of(shown_[id]), std::nullopt); },
       [](const std::string&) { return false; }, [] {}, [] {}});
  return true;
}

void LittleOutputs::says(const std::string& cell, int number, bool anew) {
  auto& state = shown_[cell];
  if (anew) {
    state = "-";
    if (log_) log_->changed(cell, R"({"outputs":[{"op":"clear"}]})");
  }
  const std::string line = text_of(std::to_string(number));
  const bool first = state == "-";
  state = first ? std::to_string(number) : state + "," + std::to_string(number);
  if (!log_) return;
  log_->changed(cell, first ? R"({"outputs":[{"op":"append","output":)" + stream_of(line) + "}]}"
                            : R"({"outputs":[{"op":"append_text","index":0,"text":")" + line + R"("}]})");
}

void LittleOutputs::put_into(document::SaveRequest& request) const {
  for (auto& cell : request.cells) {
    const auto found = shown_.find(cell.id);
    if (found != shown_.end() && found->second != "-") cell.outputs = outputs_of(found->second);
  }
}

void LittleOutputs::save_begins() {
  in_save_ = shown_;
  if (log_) log_->save_begins();
}

void LittleOutputs::saved() {
  in_file_ = in_save_;
  if (log_) log_->saved();
}

void LittleOutputs::not_saved() {
  broken_ = true;  // the file may have been replaced all the same
  if (log_) log_->not_saved();
}

// Twice: what the journals' thread does in the turn that wrote it is over then, too.
void LittleOutputs::write() {
  if (!log_) return;
  const auto before = failed_calls();
  log_->flush();
  for (int turn = 0; turn < 2; ++turn) (void)other_->append_and_wait({});
  broken_ = broken_ || failed_calls() != before;
}

LittleOutputs::Synced LittleOutputs::sync() {
  const bool had_log = log_ != nullptr;
  const auto before = failed_calls();
  write();
  start_journals();
  if (!had_log) return Synced::unopened;
  if (!open_log(true, book_->last_known)) return Synced::unopened;
  broken_ = broken_ || failed_calls() != before;
  return broken_ ? Synced::failed : Synced::durable;
}

std::vector<std::string> check_outputs(const std::string& state, LogUse use, const document::OpenedNotebook& book,
                                       const ToldOutputs& told) {
  ToldOutputs outcome = told;
  const auto look = [&](const LittleOutputs& outputs) {
    for (const auto& [cell, shown] : outputs.shown()) outcome.read("seen", cell, shown);
  };
  const auto* const first = output_cells[0];
  LittleOutputs outputs(state, use);
  if (!outputs.open(book)) return {"the log of outputs does not open"};
  look(outputs);
  if (outputs.shown().size() != std::size(output_cells)) outcome.wrong.push_back("the log has cells nobody ran");
  outputs.says(first, 1'000'000, false);
  outcome.read("shows", first, outputs.shown().at(first));
  outcome.read("kept", first, outputs.shown().at(first));
  if (outputs.sync() == LittleOutputs::Synced::unopened) return {"the log of outputs does not open a second time"};
  look(outputs);
  return outcome.wrong;
}

}  // namespace lectern::crash
