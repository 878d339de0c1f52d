// save() of notebook_file.hpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "document/atomic_file.hpp"
#include "document/content_sum.hpp"
#include "document/kept_copies.hpp"
#include "document/kept_outputs.hpp"
#include "document/notebook_file.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

constexpr std::string_view safe_text = "The file is as it was before; the edits are in the host's journal.";

std::string_view or_none(std::string_view json) {
  return json == "{}" ? std::string_view{} : json;
}

plugin::FormatCell cell_of(const CellContent& cell, const plugin::FormatCell* base, bool same_format) {
  plugin::FormatCell out;
  out.id = cell.id;
  out.cell_type = cell.cell_type;
  out.source = cell.source;
  out.metadata = cell.metadata;
  // Nobody edits attachments here: those the file has now are the newest.
  out.attachments = base != nullptr ? or_none(base->attachments) : or_none(cell.attachments);
  out.execution_count = cell.execution_count;
  if (cell.outputs) out.outputs = *cell.outputs;
  if (base == nullptr || base->original.empty() || !same_format) {
    out.changed = plugin::cell_new;
    if (!cell.outputs && base != nullptr) {
      out.outputs = base->outputs;
      out.execution_count = base->execution_count;
    }
    return out;
  }
  out.original = base->original;
  if (!cell.outputs) {
    out.outputs = base->outputs;
    out.execution_count = base->execution_count;
  } else if (out.outputs != base->outputs || out.execution_count != base->execution_count) {
    out.changed |= plugin::cell_outputs_changed;
  }
  if (cell.source != base->source) out.changed |= plugin::cell_source_changed;
  if (cell.metadata != base->metadata) out.changed |= plugin::cell_metadata_changed;
  if (cell.cell_type != base->cell_type) out.changed |= plugin::cell_type_changed;
  return out;
}

// What the format has to write, with what changed since the file was read. Ids that the file does not have are written
// only when something else is: looking at an old notebook must not change it.
plugin::WriteNotebook compose(const SaveRequest& request) {
  plugin::WriteNotebook out;
  out.metadata = request.metadata;
  out.language = request.language;
  const LoadedNotebook* base = request.baseline.get();
  // "Save as" in another format: the original texts are of no use to it.
  const bool same_format = base != nullptr && base->format != nullptr && base->format->id() == request.format->id();
  std::unordered_map<std::string_view, const plugin::FormatCell*> by_id;
  bool changed = base == nullptr || base->cells.size() != request.cells.size();
  if (base != nullptr) {
    if (same_format) out.original = base->original;
    for (const auto& cell : base->cells) by_id.emplace(cell.id, &cell);
    if (request.metadata != base->metadata) out.changed |= plugin::notebook_metadata_changed;
  }
  if (out.original.empty()) out.changed |= plugin::notebook_new;
  changed = changed || out.changed != 0;
  out.cells.reserve(request.cells.size());
  for (std::size_t i = 0; i < request.cells.size(); ++i) {
    const auto found = by_id.find(request.cells[i].id);
    out.cells.push_back(cell_of(request.cells[i], found == by_id.end() ? nullptr : found->second, same_format));
    changed = changed || out.cells.back().changed != 0 || base->cells[i].id != request.cells[i].id;
  }
  if (!changed) return out;
  for (auto& cell : out.cells) {
    const auto found = by_id.find(cell.id);
    if (found != by_id.end()) cell.changed |= found->second->changed & plugin::cell_id_changed;
  }
  return out;
}

struct OnDisk {
  bool exists = false;
  bool is_baseline = false;  // what the request's baseline was read from
  FileState state;
  Fingerprint print;
};

bool was_read_from(const LoadedNotebook& baseline, const Fingerprint& print) {
  return baseline.bytes != nullptr && baseline.bytes->size() == print.size && baseline.fingerprint == print;
}

Result<OnDisk> look(const SaveRequest& request) {
  LECTERN_TRY(const auto now, file_now(request.path));
  OnDisk disk;
  if (!now) return disk;
  disk.exists = true;
  disk.state = now->state;
  disk.print = now->print;
  disk.is_baseline = request.baseline != nullptr && was_read_from(*request.baseline, disk.print);
  return disk;
}

tl::unexpected<Error> conflict(const std::string& path, const std::optional<Fingerprint>& ours,
                               const Fingerprint& theirs) {
  return fail(409, "conflict",
              path +
                  (ours ? " was changed by another program since it was read here."
                        : " exists already and was not read here.") +
                  " It was not overwritten; the edits are in the host's journal.",
              "Compare the two and choose which to keep, or save under another path.",
              R"({"ours":)" + (ours ? to_json(*ours) : "null") + R"(,"theirs":)" + to_json(theirs) + "}");
}

// Who writes the file meanwhile is noticed right before it is replaced.
Result<std::string> keep_old(const SaveRequest& request, const OnDisk& disk) {
  if (request.keep_dir.empty()) return std::string{};
  const std::string copies = request.keep_dir + "/copies";
  if (disk.is_baseline) return keep_copy(copies, name_of(request.path), *request.baseline->bytes);
  LECTERN_TRY(const ReadFile file, read_whole(request.path, UINT64_MAX));
  return keep_copy(copies, name_of(request.path), file.bytes);
}

// An ordinary save replaces what nobody will miss, most of the time: a version every now and then.
void keep_version(const SaveRequest& request, const OnDisk& disk) {
  if (request.keep_dir.empty()) return;
  if (newest_copy_age_ms(request.keep_dir + "/copies") < CopyLimits{}.version_every_ms) return;
  const auto kept = keep_old(request, disk);
  if (!kept) log::warning("document", "No version of " + request.path + " was kept. " + kept.error().message);
}

// The content is there, but who put it there may have been stopped before it was durable: an earlier save of ours whose
// last step failed, or another program, which never cares.
Status make_durable(const std::string& path) {
  LECTERN_TRY(const Descriptor file, open_no_links(path, O_RDONLY));
  LECTERN_TRY(const Descriptor folder, open_no_links(folder_of(path), O_RDONLY | O_DIRECTORY));
  if (::fsync(file.get()) != 0 || ::fsync(folder.get()) != 0) {
    return fail(system_error(errno, "make durable", path, safe_text));
  }
  return {};
}

// Less than this goes with an ordinary edit, and is in the history.
constexpr std::uint64_t little = 4096;

// A save that drops much of a file is not always meant: a document that failed to build looks just like it.
bool drops_much(const SaveRequest& request, const OnDisk& disk, std::uint64_t next_size) {
  const bool had_cells = request.baseline != nullptr && !request.baseline->cells.empty();
  const auto size = disk.print.size, gone = size > next_size ? size - next_size : 0;
  return gone > size / 2 || gone > std::max(size / 10, little) || (request.cells.empty() && had_cells);
}

Result<std::string> keep_outputs_of(const SaveRequest& request, const plugin::WriteNotebook& notebook) {
  if (request.outputs_dir.empty() || keeps_outputs(*request.format)) return std::string();
  LECTERN_TRY(auto outputs, keep_outputs(request.outputs_dir, notebook));
  if (request.outputs_kept) request.outputs_kept(outputs);
  return outputs;
}

Status check_rights(const SaveRequest& request, const OnDisk& disk) {
  if (disk.exists && !may_write(request.path)) {
    return fail(403, "permission_denied",
                "Cannot write " + request.path + ": the file is read-only. " + std::string(safe_text),
                "Make the file writable, or save under another path.");
  }
  struct stat info {};
  if (::stat(folder_of(request.path).c_str(), &info) != 0) {
    Error error =
        system_error(errno, "write", request.path, "Its folder is gone. The edits are in the host's journal.");
    return fail(std::move(error));
  }
  return {};
}

}  // namespace

namespace {

Status check_format(const SaveRequest& request) {
  if (request.format != nullptr) return {};
  return fail(415, "unknown_format", "No format plugin writes " + request.path + ".",
              "Load the plugin it was read with.");
}

}  // namespace

Result<std::string> render(const SaveRequest& request) {
  LECTERN_CHECK(check_format(request));
  return request.format->write(compose(request));
}

Result<SavedFile> save(const SaveRequest& request) {
  LECTERN_CHECK(check_format(request));
  const plugin::WriteNotebook notebook = compose(request);
  LECTERN_TRY(const std::string bytes, request.format->write(notebook));
  SavedFile saved;
  saved.bytes = bytes.size();
  saved.fingerprint = {sum_of(bytes), bytes.size(), 0};
  LECTERN_TRY(const OnDisk disk, look(request));
  if (disk.exists && disk.print == saved.fingerprint) {
    LECTERN_CHECK(make_durable(request.path));
    saved.fingerprint = disk.print;
    LECTERN_TRY(saved.fingerprint.outputs, keep_outputs_of(request, notebook));
    saved.unchanged = true;
    return saved;
  }
  const bool foreign = disk.exists && (!request.last_known || !(disk.print == *request.last_known));
  if (foreign && !request.overwrite_foreign) return conflict(request.path, request.last_known, disk.print);
  LECTERN_CHECK(check_rights(request, disk));
  if (foreign || (disk.exists && drops_much(request, disk, bytes.size()))) {
    LECTERN_TRY(saved.kept_copy, keep_old(request, disk));
  } else if (disk.exists) {
    keep_version(request, disk);
  }
  // Before the file: who was told that it is saved has the outputs too.
  LECTERN_TRY(saved.fingerprint.outputs, keep_outputs_of(request, notebook));
  if (request.record_intent) LECTERN_CHECK(request.record_intent(saved.fingerprint));
  // Between the look and the rename somebody may have written: a last, cheap look at the file's state.
  const auto still_ours = [&](int fresh) -> Status {
    struct stat info {};
    const bool exists = ::lstat(request.path.c_str(), &info) == 0;
    const bool same =
        exists == disk.exists &&
        (!exists || (info.st_ino == disk.state.inode && static_cast<std::uint64_t>(info.st_size) == disk.state.size &&
                     std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec == disk.state.mtime_ns));
    if (same) {
      if (request.before_replacing) request.before_replacing(fresh);
      return {};
    }
    LECTERN_TRY(const OnDisk now, look(request));
    return conflict(request.path, request.last_known, now.print);
  };
  std::optional<Ownership> owner;
  if (disk.exists) owner = Ownership{disk.state.mode, disk.state.uid, disk.state.gid};
  LECTERN_TRY(const Descriptor fd, replace_file(request.path, bytes, 0666, owner, still_ours));
  if (const auto state = state_of(fd)) {
    saved.fingerprint.mtime_ns = state->mtime_ns;
    saved.device = state->device;
    saved.inode = state->inode;
    saved.changed_ns = state->ctime_ns;
  }
  return saved;
}

}  // namespace lectern::document
