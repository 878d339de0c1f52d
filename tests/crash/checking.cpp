#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <set>

#include "../support/notebook_formats.hpp"
#include "document/notebook_store.hpp"
#include "importing.hpp"
#include "little_host.hpp"
#include "saving.hpp"
#include "session/ledger.hpp"
#include "session/notebook_import.hpp"

namespace lectern::crash {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> temporary_files(const std::string& base) {
  std::vector<std::string> found;
  std::error_code none;
  for (const auto& item : fs::recursive_directory_iterator(base, none)) {
    if (item.path().filename().string().find(".lectern-") != std::string::npos) found.push_back(item.path().string());
  }
  return found;
}

void make_old(const std::string& path) {
  timespec times[2]{};
  times[0].tv_sec = times[1].tv_sec = std::time(nullptr) - 600;
  ::utimensat(AT_FDCWD, path.c_str(), times, 0);
}

class Checking {
 public:
  Checking(const Place& place, const Told& told) : place_(place), told_(told) {}

  std::vector<std::string> run() {
    file();
    if (auto book = open()) {
      people(*book);
      document(*book);
      if (told_.outputs.unopened && !told_.failures) wrong("the log of outputs did not open");
      for (const auto& what : check_outputs(place_.state(), place_.log, *book, told_.outputs)) wrong(what);
      goes_on(*book);
    }
    litter();
    return std::move(wrong_);
  }

 private:
  void wrong(const std::string& what) {
    if (std::find(wrong_.begin(), wrong_.end(), what) == wrong_.end()) wrong_.push_back(what);
  }

  // Old or new, whole, and not older than what was told.
  void file() {
    auto loaded = document::load(place_.notebook(), {test::ipynb()});
    if (!loaded) return wrong("the notebook's file is broken: " + loaded.error().message);
    bool heavy = false;
    int last = -1;
    for (const auto& cell : (*loaded)->cells) {
      heavy = heavy || cell.id == ballast_id;
      if (cell.id == ballast_id && cell.source != ballast()) wrong("a cell of the file has another text");
      if (cell.id.front() != 'm') continue;
      const int number = std::stoi(std::string(cell.id.substr(1)));
      if (cell.source != source_of(number)) wrong("a cell of the file has another text");
      if (number <= last) wrong("cells of the file are out of order");
      last = number;
    }
    if ((*loaded)->cells.size() < original_cells) wrong("the file lacks cells it began with");
    if (last < told_.saved) {
      wrong("'saved' was told up to cell " + std::to_string(told_.saved) + ", the file ends with " +
            std::to_string(last));
    }
    if (told_.heavy && !heavy && !kept_somewhere(ballast_id)) {
      wrong("the file shrank and what it held before was kept nowhere");
    }
  }
  bool kept_somewhere(const std::string& text) {
    std::error_code none;
    for (const auto& item : fs::recursive_directory_iterator(place_.state(), none)) {
      if (!item.is_regular_file() || item.path().extension() != ".ipynb") continue;
      if (document::load(item.path().string(), {test::ipynb()}) &&
          test::read_file(item.path().string()).find(text) != std::string::npos)
        return true;
    }
    return false;
  }

  std::optional<document::OpenedNotebook> open() {
    auto made = document::NotebookStore::create({place_.state(), {}}, writer_);
    if (!made) return wrong("no store: " + made.error().message), std::nullopt;
    store_ = std::move(*made);
    auto book = store_->open(*document::PathPolicy::create(place_.root())->resolve("a.ipynb"), {test::ipynb()});
    if (!book) return wrong("it does not open: " + book.error().message), std::nullopt;
    if (!told_.id.empty() && book->notebook_id != told_.id) wrong("the notebook has another id");
    if (!told_.id.empty() && book->start != document::Start::restored) wrong("it was not restored from the journal");
    for (const auto& notice : book->notices) {
      // When the journal could not take what a save was about to do, its file looks like anybody's, and is merged.
      if (!told_.failures && notice.find("another program") != std::string::npos) {
        wrong("our own save was taken for another program's");
      }
      if (notice.find("damaged") != std::string::npos) wrong("the journal is damaged: " + notice);
    }
    return std::move(*book);
  }

  void people(const document::OpenedNotebook& book) {
    auto opened = session::Ledger::open(writer_, book.state_dir, 16);
    if (!opened) return wrong("the ledger does not open: " + opened.error().message);
    if (opened->state.epochs < told_.epochs) wrong("epochs that may have been given would be given again");
    if (opened->state.epochs > 10'000) wrong("the ledger was unreadable");
    for (const auto& client : told_.clients) {
      if (!opened->state.clients.contains(client)) wrong("the client " + client + " is not known any more");
    }
  }

  void document(document::OpenedNotebook& book) {
    auto document = book.start == document::Start::restored
                        ? session::restore_notebook(book.restored)
                        : import_notebook(book.file.get(), book.history_id, *book.journal);
    if (!document) return wrong("the journal does not replay: " + document.error().message);
    std::set<int> there;
    int last = -1;
    for (const auto* cell : document->cells()) {
      if (cell->id.front() != 'm') continue;
      const int number = std::stoi(cell->id.substr(1));
      if (cell->source != source_of(number)) wrong("a cell has another text");
      if (!there.insert(number).second) wrong("a cell is there twice");
      if (number < last) wrong("cells are out of order");
      last = number;
    }
    for (const int number : told_.edits) {
      if (!there.contains(number)) wrong("the acknowledged edit " + std::to_string(number) + " is gone");
    }
    if (last > told_.tried) wrong("there are cells nobody made");
    document_.emplace(std::move(*document));
  }

  void goes_on(document::OpenedNotebook& book) {
    if (!document_) return;
    auto applied = document_->apply_transaction("aabb", {document::SetMetadata{std::nullopt, {"after"}, "\"crash\""}});
    std::vector<document::Record> records;
    if (applied && !applied->chunks.empty()) records.push_back(document::Record::change(applied->chunks[0]));
    if (const auto kept = book.journal->append_and_wait(std::move(records)); !kept) {
      return wrong("nothing can be edited any more: " + kept.error().message);
    }
    const auto saved = document::save_notebook(*book.journal, book.state_dir, save_request(book, *document_));
    if (!saved) wrong("it cannot be saved any more: " + saved.error().message);
  }

  // The state folder is ours alone; beside the notebook somebody else may be saving, so a minute is waited.
  void litter() {
    for (const auto& path : temporary_files(place_.state() + "/notebooks")) wrong("left behind: " + path);
    for (const auto& path : temporary_files(place_.root())) make_old(path);
    (void)open();
    for (const auto& path : temporary_files(place_.base)) wrong("left behind for good: " + path);
  }

  static constexpr std::size_t original_cells = 3;
  const Place& place_;
  const Told& told_;
  std::vector<std::string> wrong_;
  document::JournalWriter writer_;
  std::unique_ptr<document::NotebookStore> store_;
  std::optional<document::NotebookDocument> document_;
};

}  // namespace

std::vector<std::string> check(const Place& place, const Told& told) {
  return Checking(place, told).run();
}

}  // namespace lectern::crash
