// save_notebook() and record_file() of notebook_store.hpp: the journal is told of a save before and after it.
#include <utility>
#include <vector>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "document/file_mark.hpp"
#include "document/notebook_store.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

std::vector<Record> file_is(const Fingerprint& print, const std::string& heads, std::string base_json) {
  if (base_json.size() > kMostBaseBytes) base_json.clear();
  std::vector<Record> records;
  records.push_back(Record::meta(std::string(meta_key::file), mark_json({print, heads})));
  records.push_back(Record::meta(std::string(meta_key::save_intent), {}));
  records.push_back(Record::meta(std::string(meta_key::file_base), std::move(base_json)));
  return records;
}

}  // namespace

Result<SavedFile> save_notebook(Journal& journal, const std::string& state_dir, SaveRequest request) {
  if (request.keep_dir.empty()) request.keep_dir = state_dir;
  const bool own_file = request.path == journal.meta(meta_key::path);
  request.outputs_dir = own_file ? state_dir : folder_of(state_dir) + "/" + crypto::sha256_hex(request.path);
  // A copy under another name says nothing about the notebook's own file.
  if (!own_file) return save(request);
  const std::string heads = request.heads;
  if (!request.last_known) {
    if (const auto mark = read_mark(journal.all_meta(), meta_key::file)) request.last_known = mark->print;
  }
  if (const auto unfinished = read_mark(journal.all_meta(), meta_key::save_intent)) {
    // An earlier save of ours failed after it had replaced the file, or its end could not be journaled.
    const auto now = fingerprint(request.path);
    if (now && *now == unfinished->print) {
      request.last_known = unfinished->print;
      (void)journal.append_and_wait(
          {Record::meta(std::string(meta_key::file), mark_json({unfinished->print, unfinished->heads}))});
    }
  }
  if (!request.record_intent) {
    request.record_intent = [&journal, &heads](const Fingerprint& next) -> Status {
      auto recorded =
          journal.append_and_wait({Record::meta(std::string(meta_key::save_intent), mark_json({next, heads}))});
      // A journal that cannot be written (its disk is full) is a reason more to save, not one less. Without the intent
      // a crash right now would make this save look like somebody else's edit, which loses nothing.
      if (!recorded) log::warning("document", "Saving without a recorded intent. " + recorded.error().message);
      return {};
    };
  }
  LECTERN_TRY(SavedFile saved, save(request));
  // A failure is the journal's to report; until a later one succeeds, the intent says the same.
  (void)journal.append_and_wait(file_is(saved.fingerprint, heads, std::move(request.base_json)));
  return saved;
}

void record_file(Journal& journal, const Fingerprint& print, const std::string& heads, std::string base_json) {
  // When it cannot be written, the next open takes the file for changed and finds that both say the same.
  journal.append(file_is(print, heads, std::move(base_json)), [](const Status&) {});
}

}  // namespace lectern::document
