#include "document/journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <future>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "document/atomic_file.hpp"
#include "document/journal_file.hpp"
#include "document/journal_format.hpp"
#include "document/journal_thread.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

std::string file_name(const std::string& dir, std::string_view name) {
  return dir + "/" + std::string(name) + ".lj";
}

// The journals this process has open, by path. A session may end while the last records of its journal are still
// queued; whoever opens the notebook again must not read, or cut, the file under the journal thread's hands.
struct LiveFiles {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Journal::File>> by_path;
};
LiveFiles& live_files() {
  static LiveFiles files;
  return files;
}

void retire_earlier(const std::string& path) {
  std::shared_ptr<Journal::File> earlier;
  {
    auto& files = live_files();
    std::lock_guard lock(files.mutex);
    const auto found = files.by_path.find(path);
    if (found == files.by_path.end()) return;
    earlier = found->second.lock();
    files.by_path.erase(found);
  }
  if (earlier != nullptr) earlier->retire();
}

void fold(const journal_format::View& view, Recovered& out) {
  switch (view.kind) {
    case RecordKind::snapshot:
      out.snapshot = view.payload;
      out.has_snapshot = true;
      out.changes.clear();
      break;
    case RecordKind::sidecar:
      out.sidecar = view.payload;
      break;
    case RecordKind::change:
      out.changes.emplace_back(view.payload);
      break;
    case RecordKind::meta:
      if (view.payload.empty()) {
        out.meta.erase(std::string(view.key));
      } else {
        out.meta.insert_or_assign(std::string(view.key), std::string(view.payload));
      }
      break;
    case RecordKind::entry:
      out.entries.push_back(Record::entry(std::string(view.key), std::string(view.payload)));
      break;
  }
}

Error corrupt(const std::string& path, std::uint64_t at, std::string_view what_became_of_it) {
  Error error;
  error.code = "journal_corrupt";
  error.message = "The journal " + path + " is damaged at byte " + std::to_string(at) + ", before its end. " +
                  std::string(what_became_of_it);
  error.hint = "Open the notebook again to go on from its file; edits that were not saved are in the kept journal.";
  return error;
}

Error kept_aside(const std::string& path, std::uint64_t at) {
  const std::string aside = path + ".corrupt";
  const bool moved = ::rename(path.c_str(), aside.c_str()) == 0;
  return corrupt(path, at, moved ? "It was kept as " + aside + "." : "It could not be moved aside.");
}

struct Read {
  Recovered recovered;
  journal_format::Scan scan;
  std::string bytes;
};

Result<std::optional<Read>> read(const std::string& path) {
  auto file = read_whole(path, UINT64_MAX);
  if (!file) {
    if (file.error().code == "not_found") return std::optional<Read>{};
    return fail(500, "journal_unreadable", file.error().message, file.error().hint);
  }
  Read out;
  out.bytes = std::move(file->bytes);
  out.scan = journal_format::scan(out.bytes, [&](const auto& view) { fold(view, out.recovered); });
  out.recovered.cut_bytes = out.scan.tail_bytes;
  out.recovered.end = out.scan.end;
  out.recovered.turn = out.scan.turn;
  out.recovered.salt = out.scan.salt;
  return std::optional<Read>(std::move(out));
}

}  // namespace

Result<std::optional<Recovered>> Journal::recover(const std::string& dir, std::string_view name) {
  const std::string path = file_name(dir, name);
  retire_earlier(path);
  LECTERN_TRY(auto found, read(path));
  if (!found) return std::optional<Recovered>{};
  const auto& scan = found->scan;
  if (scan.rotten) return fail(kept_aside(path, scan.end));
  if (scan.tail_has_records) {
    // Durable before attach() cuts it off.
    const auto tail = std::string_view(found->bytes).substr(scan.end, scan.tail_bytes);
    LECTERN_CHECK(replace_file(path + ".torn", tail, 0600).map([](auto&&) {}));
  }
  return std::optional<Recovered>(std::move(found->recovered));
}

Result<std::optional<Recovered>> Journal::peek(const std::string& dir, std::string_view name) {
  const std::string path = file_name(dir, name);
  LECTERN_TRY(auto found, read(path));
  if (!found) return std::optional<Recovered>{};
  if (found->scan.rotten) return fail(corrupt(path, found->scan.end, "It was left as it is."));
  return std::optional<Recovered>(std::move(found->recovered));
}

std::unique_ptr<Journal> Journal::in_memory(JournalWriter& writer, const Recovered* recovered) {
  auto file = std::make_shared<File>();
  file->in_memory = true;
  file->path = "in memory";
  if (recovered != nullptr) file->meta = recovered->meta;
  return std::unique_ptr<Journal>(new Journal(std::move(file), writer.state_));
}

Result<std::unique_ptr<Journal>> Journal::open(JournalWriter& writer, std::string dir, const Recovered* recovered,
                                               std::string_view name) {
  auto file = std::make_shared<File>();
  file->path = file_name(dir, name);
  file->dir = std::move(dir);
  if (recovered != nullptr) file->meta = recovered->meta;
  if (recovered != nullptr && recovered->end > 0) {
    LECTERN_CHECK(file->attach(*recovered));
  } else {
    file->failed = true;  // nothing to append to until the first rewrite
  }
  retire_earlier(file->path);
  {
    auto& files = live_files();
    std::lock_guard lock(files.mutex);
    std::erase_if(files.by_path, [](const auto& entry) { return entry.second.expired(); });
    files.by_path[file->path] = file;
  }
  return std::unique_ptr<Journal>(new Journal(std::move(file), writer.state_));
}

Journal::Journal(std::shared_ptr<File> file, std::shared_ptr<JournalWriter::State> writer)
    : file_(std::move(file)), writer_(std::move(writer)) {}

Journal::~Journal() = default;

namespace {
void remember(std::map<std::string, std::string>& meta, const std::vector<Record>& records) {
  for (const auto& record : records) {
    if (record.kind != RecordKind::meta) continue;
    if (record.bytes.empty()) {
      meta.erase(record.key);
    } else {
      meta.insert_or_assign(record.key, record.bytes);
    }
  }
}
}  // namespace

void Journal::append(std::vector<Record> records, JournalDone done, Durability durability) {
  {
    std::lock_guard lock(file_->mutex);
    remember(file_->meta, records);
    for (const auto& record : records) file_->since_rewrite += record.bytes.size() + record.key.size() + 16;
    file_->push({std::move(records), std::move(done), durability, false});
  }
  writer_->wake(file_);
}

void Journal::rewrite(std::string snapshot, std::string sidecar, std::vector<Record> more, JournalDone done) {
  {
    std::lock_guard lock(file_->mutex);
    remember(file_->meta, more);
    std::vector<Record> records;
    records.reserve(more.size() + file_->meta.size() + 2);
    if (!snapshot.empty()) records.push_back({RecordKind::snapshot, {}, std::move(snapshot)});
    if (!sidecar.empty()) records.push_back({RecordKind::sidecar, {}, std::move(sidecar)});
    for (const auto& [key, value] : file_->meta) records.push_back(Record::meta(key, value));
    for (auto& record : more) {
      if (record.kind != RecordKind::meta) records.push_back(std::move(record));
    }
    file_->since_rewrite = 0;
    file_->push({std::move(records), std::move(done), Durability::synced, true});
  }
  writer_->wake(file_);
}

Status Journal::append_and_wait(std::vector<Record> records) {
  std::promise<Status> promise;
  auto future = promise.get_future();
  append(std::move(records), [&promise](Status status) { promise.set_value(std::move(status)); });
  return future.get();
}

Status Journal::rewrite_and_wait(std::string snapshot, std::string sidecar, std::vector<Record> more) {
  std::promise<Status> promise;
  auto future = promise.get_future();
  rewrite(std::move(snapshot), std::move(sidecar), std::move(more),
          [&promise](Status status) { promise.set_value(std::move(status)); });
  return future.get();
}

std::string Journal::meta(std::string_view key) const {
  std::lock_guard lock(file_->mutex);
  const auto found = file_->meta.find(std::string(key));
  return found == file_->meta.end() ? std::string{} : found->second;
}

std::map<std::string, std::string> Journal::all_meta() const {
  std::lock_guard lock(file_->mutex);
  return file_->meta;
}

std::uint64_t Journal::bytes_since_rewrite() const {
  std::lock_guard lock(file_->mutex);
  return file_->since_rewrite;
}

bool Journal::failed() const {
  return file_->failed;
}

}  // namespace lectern::document
