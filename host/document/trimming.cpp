#include "document/trimming.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

NotebookInput content_of(const NotebookDocument& document) {
  NotebookInput input;
  input.metadata_json = document.metadata_json();
  input.cells.reserve(document.cells().size());
  for (const auto* cell : document.cells()) {
    auto& copy = input.cells.emplace_back();
    copy.id = cell->id;
    copy.cell_type = cell->cell_type;
    copy.source = cell->source;
    copy.metadata_json = cell->metadata_json;
    copy.attachments_json = cell->attachments_json;
    copy.execution_count_json = cell->execution_count_json;
  }
  return input;
}

// What a document without a past takes for the same: an operation a character, and some for each cell.
std::uint64_t content_operations(const NotebookDocument& document) {
  std::uint64_t sum = 0;
  for (const auto* cell : document.cells()) sum += cell->source_length + 16;
  return sum;
}

std::string current_journal(const std::string& folder) {
  return folder + "/journal.lj";
}

std::string kept_journal(const std::string& folder) {
  return folder + "/journal-" + std::to_string(clock::wall_ms()) + ".kept.lj";
}

Status make_durable(const std::string& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 || ::fsync(opened.get()) != 0) return fail(system_error(errno, "make durable", folder));
  return {};
}

// The journal is replaced by a rename, so a second name keeps it as it is.
Status keep_aside(const std::string& folder) {
  const auto from = current_journal(folder);
  if (::link(from.c_str(), kept_journal(folder).c_str()) != 0) return fail(system_error(errno, "keep aside", from));
  return make_durable(folder);
}

}  // namespace

std::string import_actor(std::string_view history_id) {
  return text::to_hex(crypto::sha256("lectern-import:" + std::string(history_id)).substr(0, 16));
}

Status trim_past(OpenedNotebook& notebook, Journal& journal, NotebookDocument& document, std::uint64_t limit) {
  const auto operations = document.operations();
  if (operations <= limit || content_operations(document) > operations / 2) return {};
  auto history_id = crypto::uuid();
  LECTERN_TRY(auto fresh, NotebookDocument::import(content_of(document), import_actor(history_id), document.limits()));
  LECTERN_TRY(auto snapshot, fresh.save());
  if (const auto kept = keep_aside(notebook.state_dir); !kept) {
    log::warning("document", "The history of " + notebook.path + " stays whole. " + kept.error().message);
    return {};
  }
  LECTERN_CHECK(journal.rewrite_and_wait(std::move(snapshot), fresh.sidecar(),
                                         {Record::meta(std::string(meta_key::history_id), history_id)}));
  log::info("document", "The history of " + notebook.path + " had grown to " + std::to_string(operations) +
                            " operations: it begins anew, and the old one is kept beside the journal");
  notebook.history_id = std::move(history_id);
  document = std::move(fresh);
  return {};
}

Status put_journal_aside(const std::string& state_dir) {
  const auto from = current_journal(state_dir);
  if (std::rename(from.c_str(), kept_journal(state_dir).c_str()) != 0) {
    return fail(system_error(errno, "put aside", from));
  }
  return make_durable(state_dir);
}

}  // namespace lectern::document
