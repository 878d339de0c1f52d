#include "little_host.hpp"

#include <unistd.h>

#include <future>
#include <memory>
#include <optional>
#include <sstream>

#include "../support/notebook_formats.hpp"
#include "document/notebook_store.hpp"
#include "importing.hpp"
#include "saving.hpp"
#include "session/ledger.hpp"
#include "session/notebook_import.hpp"

namespace lectern::crash {
namespace {

using document::Record;

constexpr const char* actor = "63726173686d6174726978206163746f";

class LittleHost {
 public:
  LittleHost(const Place& place, int first, int tell)
      : place_(place), next_(first), tell_(tell), outputs_(place.state(), place.log) {}

  void run() {
    auto store = document::NotebookStore::create({place_.state(), {}}, writer_);
    const auto root = document::PathPolicy::create(place_.root());
    if (!store || !root) return;
    const auto where = root->resolve("a.ipynb");
    if (!where) return;
    auto book = (*store)->open(*where, {test::ipynb()});
    if (!book) return;
    book_ = std::move(*book);
    if (!open_ledger() || !build()) return;
    tell("id " + book_.notebook_id);
    open_outputs();
    script();
    tell("end");
  }

 private:
  void script() {
    edit();
    show(0, true);
    show(1, true);
    sync();
    edit();
    show(0, false);
    sync();
    save();
    show(1, false);
    sync();
    weigh_down(true);
    save(true);
    sync();
    edit();
    show(0, true);
    if (auto bytes = document_->save()) (void)book_.journal->rewrite_and_wait(std::move(*bytes), document_->sidecar());
    edit();
    weigh_down(false);
    save();
    more_epochs();
    show(0, false);
    save();
    show(1, false);
    sync();
    edit();
  }

  void tell(const std::string& what) const {
    const std::string line = what + "\n";
    if (::write(tell_, line.data(), line.size()) < 0) ::_exit(9);
  }
  bool open_ledger() {
    auto opened = session::Ledger::open(writer_, book_.state_dir, 16);
    if (!opened) return false;
    ledger_ = std::move(opened->ledger);
    reserved_ = opened->reserved;
    tell("epochs " + std::to_string(reserved_));
    session::Client client;
    client.id = "client" + std::to_string(next_);
    client.secret_hash = std::string(32, 'x');
    if (wait([&](auto done) { ledger_->client(client, std::move(done)); })) tell("client " + client.id);
    return true;
  }
  void more_epochs() {
    const auto upto = reserved_ + 16;
    if (!wait([&](auto done) { ledger_->reserve_epochs(upto, loop_, std::move(done)); })) return;
    reserved_ = upto;
    tell("epochs " + std::to_string(upto));
  }
  template <class Ask>
  bool wait(Ask ask) {
    std::promise<Status> promise;
    ask([&](Status status) { promise.set_value(std::move(status)); });
    return promise.get_future().get().has_value();
  }
  bool build() {
    auto document = book_.start == document::Start::restored
                        ? session::restore_notebook(book_.restored)
                        : import_notebook(book_.file.get(), book_.history_id, *book_.journal);
    if (!document) return false;
    document_.emplace(std::move(*document));
    return true;
  }

  void open_outputs() { tell_of(outputs_.open(book_) ? "seen" : "unopened", outputs_.shown()); }
  void tell_of(const std::string& what, const Shown& shown) const {
    for (const auto& [cell, state] : shown) tell(what + " " + cell + " " + state);
  }
  void show(std::size_t which, bool anew) {
    const std::string cell = output_cells[which];
    outputs_.says(cell, next_ * 100 + said_++, anew);
    tell("shows " + cell + " " + outputs_.shown().at(cell));
  }
  void sync() {
    if (outputs_.late()) return outputs_.write();
    const Shown told = outputs_.shown();
    const auto how = outputs_.sync();
    if (how == LittleOutputs::Synced::durable) tell_of("kept", told);
    tell_of(how == LittleOutputs::Synced::unopened ? "unopened" : "seen", outputs_.shown());
  }

  // As the session does it: what the journal refused is in memory, and becomes a new journal.
  bool keep(const std::vector<std::string>& chunks) {
    std::vector<Record> records;
    for (const auto& chunk : chunks) records.push_back(Record::change(chunk));
    if (book_.journal->append_and_wait(std::move(records))) return true;
    for (int attempt = 0; attempt < 3; ++attempt) {
      auto bytes = document_->save();
      if (bytes && book_.journal->rewrite_and_wait(std::move(*bytes), document_->sidecar())) return true;
    }
    return false;
  }
  bool apply(const document::Change& change) {
    auto applied = document_->apply_transaction(actor, {change});
    return applied && keep(applied->chunks);
  }
  void edit() {
    const int number = next_++;
    tell("try " + std::to_string(number));
    document::CreateCell cell;
    cell.cell_id = "m" + std::to_string(number);
    cell.cell_type = "markdown";
    cell.source = source_of(number);
    cell.after = document_->cells().back()->id;
    if (!apply(cell)) return;
    // A rewrite from memory brings those before it, too.
    for (const auto& other : document_->cells()) {
      if (other->id.front() == 'm') tell("edit " + other->id.substr(1));
    }
  }
  void weigh_down(bool heavy) {
    if (!heavy) {
      (void)apply(document::DeleteCell{ballast_id});
      return;
    }
    document::CreateCell cell;
    cell.cell_id = ballast_id;
    cell.cell_type = "raw";
    cell.source = ballast();
    cell.before = document_->cells().front()->id;
    (void)apply(cell);
  }
  void save(bool meanwhile = false) {
    // A save that failed is tried again, as the session does.
    for (int attempt = 0; attempt < 2; ++attempt) {
      auto request = save_request(book_, *document_);
      request.heads = std::to_string(next_);
      outputs_.put_into(request);
      const Shown written = outputs_.shown();
      outputs_.save_begins();
      if (meanwhile) {
        show(1, false);
        outputs_.write();
      }
      auto saved = document::save_notebook(*book_.journal, book_.state_dir, std::move(request));
      if (!saved) {
        outputs_.not_saved();
        continue;
      }
      book_.last_known = saved->fingerprint;
      tell_of("kept", written);
      outputs_.saved();
      outputs_.write();
      if (document_->find_cell(ballast_id) != nullptr) tell("heavy");
      tell("saved " + std::to_string(next_ - 1));
      return;
    }
  }

  Place place_;
  int next_, tell_, said_ = 0;
  document::JournalWriter writer_;
  Loop loop_{"little"};
  document::OpenedNotebook book_;
  std::unique_ptr<session::Ledger> ledger_;
  std::uint64_t reserved_ = 0;
  std::optional<document::NotebookDocument> document_;
  LittleOutputs outputs_;
};

}  // namespace

std::string source_of(int number) {
  std::string text = "cell " + std::to_string(number) + "\n";
  unsigned state = static_cast<unsigned>(number) * 2654435761U + 12345;
  while (text.size() < 1500) {
    state = state * 1664525U + 1013904223U;
    text += std::to_string(state) + ((state & 7) == 0 ? "\n" : " ");
  }
  return text + "end";
}

std::string ballast() {
  std::string text;
  for (int i = 0; i < 1200; ++i) text += "ballast " + std::to_string(i * 7919) + "\n";
  return text;
}

void live(const Place& place, int first, int tell) {
  LittleHost(place, first, tell).run();
}

void Told::read(const std::string& lines) {
  std::istringstream in(lines);
  std::string word;
  for (std::string line; std::getline(in, line);) {
    if (in.eof()) break;  // the last line is whole only when its end is there
    std::istringstream words(line);
    std::string value;
    std::string rest;
    words >> word >> value >> rest;
    outputs.read(word, value, rest);
    if (word == "try") tried = std::stoi(value);
    if (word == "edit") edits.push_back(std::stoi(value));
    if (word == "saved") saved = std::max(saved, std::stoi(value));
    if (word == "heavy") heavy = true;
    if (word == "epochs") epochs = std::stoull(value);
    if (word == "client") clients.push_back(value);
    if (word == "id") id = value;
    if (word == "end") ended = true;
  }
}

}  // namespace lectern::crash
