#include "session/output_log.hpp"

#include <atomic>
#include <utility>

#include "base/json.hpp"
#include "base/log.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "runtime/logged_outputs.hpp"

namespace lectern::session {
namespace slice = sdk::json;
namespace {

constexpr std::string_view output_log_name = "outputs";
constexpr std::string_view base_key = "file";
// An entry of no cell: those before it count no more.
constexpr std::string_view anew_key;
constexpr std::size_t longest_log_key = 255;  // of a record's key

std::string content_name(const std::optional<document::Fingerprint>& file) {
  if (!file) return "none";
  auto name = file->sum + ":" + std::to_string(file->size);
  return file->outputs.empty() ? name : name + ":" + file->outputs;
}

bool begins_with_all(std::string_view entry) {
  const auto outputs = slice::member(entry, "outputs");
  return outputs.starts_with(R"([{"op":"clear"})");
}

/// Of the entries since the log began anew the last time.
Result<std::vector<OutputLog::Restored>> restored_from(const document::Recovered& recovered,
                                                       const runtime::BlobStore& blobs, std::set<std::string>& whole) {
  runtime::LoggedOutputs logged;
  for (const auto& record : recovered.entries) {
    if (record.key == anew_key) {
      logged = {};
    } else {
      (void)logged.apply(record.key, record.bytes);
    }
  }
  std::vector<OutputLog::Restored> out;
  for (const auto& [id, cell] : logged.cells()) {
    LECTERN_TRY(auto outputs, runtime::outputs_for_file(*cell, blobs));
    out.push_back({id, std::move(outputs), cell->execution_count});
    if (!cell->cut) whole.insert(id);
  }
  return out;
}

}  // namespace

/// What the disk has still to take, and whether it does.
struct OutputLog::Waiting {
  std::atomic<std::size_t> bytes{0};
  std::atomic<bool> refused{false};
};

OutputLog::OutputLog(std::unique_ptr<document::Journal> journal, bool past, std::string base, const Limits& limits)
    : journal_(std::move(journal)),
      limits_(limits),
      base_(std::move(base)),
      past_(past),
      waiting_(std::make_shared<Waiting>()) {}

OutputLog::~OutputLog() {
  flush();
}

Result<OutputLog::Opened> OutputLog::open(document::JournalWriter& writer, const std::string& dir,
                                          const std::optional<document::Fingerprint>& file, bool same_history,
                                          const runtime::BlobStore& blobs, const Limits& limits) {
  auto recovered = document::Journal::recover(dir, output_log_name);
  if (!recovered && recovered.error().code != "journal_corrupt") return fail(recovered.error());
  if (!recovered) log::warning("session", "outputs since the last save are lost: " + recovered.error().message);
  const auto* past = recovered && *recovered ? &**recovered : nullptr;
  const auto base = content_name(file);
  const auto named = past != nullptr ? past->meta.find(std::string(base_key)) : decltype(past->meta.end()){};
  const bool applies = past != nullptr && same_history && named != past->meta.end() && named->second == base;
  Opened opened;
  std::set<std::string> whole;
  if (applies) {  // before the log is touched: what cannot be read now stays in it
    LECTERN_TRY(opened.restored, restored_from(*past, blobs, whole));
  }
  LECTERN_TRY(auto journal, document::Journal::open(writer, dir, past, output_log_name));
  opened.log = std::unique_ptr<OutputLog>(new OutputLog(std::move(journal), past != nullptr, base, limits));
  opened.log->stale_ = past != nullptr && !applies;
  if (!applies) return opened;
  opened.log->anew_ = false;
  opened.log->whole_ = std::move(whole);
  return opened;
}

void OutputLog::changed(const std::string& cell_id, std::string_view entry) {
  if (cell_id.empty() || cell_id.size() > longest_log_key) return;
  if (since_) since_->insert(cell_id);
  file_merged(cell_id);
  if (begins_with_all(entry)) {
    cut_.erase(cell_id);
    whole_.insert(cell_id);
  } else if (cut_.contains(cell_id)) {
    return;
  } else if (!whole_.contains(cell_id)) {
    return write_all_of(cell_id);
  }
  if (full(entry.size())) return cut(cell_id);
  write(cell_id, std::string(entry));
}

void OutputLog::file_merged(const std::string& but_not) {
  if (content_name(asked_.file()) == base_) return;
  auto cells = whole_;
  cells.erase(but_not);
  begin_anew({cells.begin(), cells.end()});
}

void OutputLog::forget(const std::string& cell_id) {
  if (since_) since_->insert(cell_id);
  whole_.erase(cell_id);
  cut_.erase(cell_id);
  if (!anew_) write(cell_id, R"({"outputs":[{"op":"drop"}]})");
}

void OutputLog::save_begins() {
  since_.emplace();
}

void OutputLog::saved() {
  auto since = std::exchange(since_, std::nullopt);
  begin_anew(since ? std::vector<std::string>(since->begin(), since->end()) : std::vector<std::string>());
  // Somebody may put the content back that the log adds to, and mean it. So does a log that nobody needs not stay
  // large, and a disk that refused it is asked again.
  if (anew_ && (stale_ || waiting_->refused)) write({}, {});
}

/// The file has what it has now: of the log count `cells` alone, as they are.
void OutputLog::begin_anew(std::vector<std::string> cells) {
  base_ = content_name(asked_.file());
  stale_ = stale_ || !anew_;
  anew_ = true;
  whole_.clear();
  cut_.clear();
  for (const auto& cell_id : cells) {
    // What a cell shows and viewers were not told of yet would be written twice; it is written whole when they are.
    if (!asked_.untold(cell_id)) write_all_of(cell_id);
  }
}

void OutputLog::write_all_of(const std::string& cell_id) {
  const auto size = asked_.size(cell_id);
  if (size > limits_.cell || full(size)) return cut(cell_id);
  whole_.insert(cell_id);
  write(cell_id, asked_.all(cell_id));
}

/// As long as the log has none of a cell, the file goes on saying what it shows.
void OutputLog::cut(const std::string& cell_id) {
  cut_.insert(cell_id);
  if (whole_.erase(cell_id) != 0) write(cell_id, R"({"outputs":[{"op":"cut"}]})");
}

bool OutputLog::full(std::size_t more) const {
  return waiting_->refused || waiting_->bytes + more > limits_.waiting ||
         (!anew_ && journal_->bytes_since_rewrite() + more > limits_.file);
}

void OutputLog::write(const std::string& cell_id, std::string entry) {
  const bool nothing_told = told_.records.empty();
  if (std::exchange(anew_, false)) {
    stale_ = false;
    waiting_->bytes -= told_.bytes;  // it counts no more
    told_ = {};
    told_.rewrites =
        !past_ || journal_->failed() || waiting_->refused || journal_->bytes_since_rewrite() > limits_.rewrite;
    told_.records.push_back(document::Record::meta(std::string(base_key), base_));
    told_.records.push_back(document::Record::entry(std::string(anew_key), {}));
  }
  waiting_->bytes += entry.size();
  told_.bytes += entry.size();
  if (!cell_id.empty()) told_.records.push_back(document::Record::entry(cell_id, std::move(entry)));
  if (told_.bytes > limits_.at_once) return asked_.now();
  if (nothing_told) asked_.soon();
}

void OutputLog::hold() {
  if (told_.records.empty()) return;
  held_.push_back(std::exchange(told_, {}));
  past_ = true;
}

void OutputLog::release() {
  for (auto& batch : std::exchange(held_, {})) give(std::move(batch));
}

void OutputLog::flush() {
  hold();
  release();
}

void OutputLog::give(Batch batch) {
  if (waiting_->refused && !batch.rewrites) {  // it goes on where nothing is missing: in a new file
    waiting_->bytes -= batch.bytes;
    return;
  }
  auto done = [waiting = waiting_, size = batch.bytes, rewrites = batch.rewrites](const Status& status) {
    waiting->bytes -= size;
    if (status && rewrites) waiting->refused = false;
    if (status || waiting->refused.exchange(true)) return;
    log::warning("session", "outputs are kept by saves alone: " + status.error().message);
  };
  if (batch.rewrites) return journal_->rewrite("", "", std::move(batch.records), std::move(done));
  journal_->append(std::move(batch.records), std::move(done), document::Durability::relaxed);
}

std::string OutputLog::whole_entry(std::string_view outputs, std::optional<std::int64_t> execution_count) {
  std::string entry;
  json::Writer writer(entry);
  writer.begin_object();
  if (execution_count) writer.member("execution_count", *execution_count);
  writer.key("outputs").begin_array().begin_object().member("op", "clear").end_object();
  slice::each_item(outputs, [&](std::string_view output) {
    writer.begin_object().member("op", "append").member_raw("output", output).end_object();
    return true;
  });
  writer.end_array().end_object();
  return entry;
}

}  // namespace lectern::session
