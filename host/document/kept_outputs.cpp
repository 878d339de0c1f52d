#include "document/kept_outputs.hpp"

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "document/atomic_file.hpp"
#include "document/content_sum.hpp"
#include "document/merge.hpp"
#include "document/merge_match.hpp"
#include "document/system_file.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace lectern::document {
namespace {

namespace slice = sdk::json;

constexpr std::string_view name = "/outputs.json";
constexpr std::uint64_t most_bytes = 1ull << 30;

/// What is kept of one cell: views into the file.
struct Kept {
  std::string id, type, source_hash;
  std::string_view outputs, attachments;
  std::int64_t execution_count = -1;
};

/// nullopt for what is no file of ours; nothing is kept of a notebook without cells.
std::optional<std::vector<Kept>> read_kept(std::string_view bytes) {
  if (!slice::valid(bytes) || !text::valid_utf8(bytes) || slice::member(bytes, "cells").empty()) return std::nullopt;
  std::vector<Kept> out;
  slice::each_item(slice::member(bytes, "cells"), [&](std::string_view cell) {
    Kept kept;
    kept.id = slice::text(slice::member(cell, "id"));
    kept.type = slice::text(slice::member(cell, "type"));
    kept.source_hash = text::from_hex(slice::text(slice::member(cell, "source"))).value_or(std::string{});
    kept.outputs = slice::member(cell, "outputs");
    kept.attachments = slice::member(cell, "attachments");
    kept.execution_count = slice::integer(slice::member(cell, "execution_count")).value_or(-1);
    if (!kept.id.empty()) out.push_back(std::move(kept));
    return true;
  });
  return out;
}

MergeBase base_of(const std::vector<Kept>& cells) {
  MergeBase base;
  base.known = true;
  for (const auto& cell : cells) base.cells.push_back({cell.id, cell.type, cell.source_hash, "{}", true});
  return base;
}

/// Owns what the views of the result show.
struct Keeps {
  std::shared_ptr<const LoadedNotebook> file;
  std::string bytes;
};

}  // namespace

bool keeps_outputs(const plugin::Format& format) {
  plugin::FormatCell cell;
  cell.id = "outputs";
  cell.cell_type = "code";
  cell.source = "1";
  cell.metadata = "{}";
  cell.outputs = R"([{"name":"stdout","output_type":"stream","text":"1"}])";
  cell.execution_count = 1;
  cell.changed = plugin::cell_new;
  plugin::WriteNotebook notebook;
  notebook.cells.push_back(cell);
  notebook.metadata = "{}";
  notebook.changed = plugin::notebook_new;
  const auto written = format.write(notebook);
  if (!written) return true;  // saving will say what is wrong with it
  const auto read = format.read(std::make_shared<const std::string>(*written));
  return !read || read->cells.size() != 1 || slice::trim(read->cells.front().outputs).size() > 2;
}

Result<std::string> keep_outputs(const std::string& state_dir, const plugin::WriteNotebook& notebook) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("cells").begin_array();
  for (const auto& cell : notebook.cells) {
    writer.begin_object()
        .member("id", cell.id)
        .member("type", cell.cell_type)
        .member("source", crypto::sha256_hex(cell.source));
    if (cell.execution_count >= 0) writer.member("execution_count", std::int64_t{cell.execution_count});
    if (!cell.attachments.empty()) writer.member_raw("attachments", cell.attachments);
    if (!cell.outputs.empty()) writer.member_raw("outputs", cell.outputs);
    writer.end_object();
  }
  writer.end_array().end_object();
  LECTERN_CHECK(make_folders(state_dir));
  const std::string path = state_dir + std::string(name);
  const auto there = read_whole(path, most_bytes);
  if (!there || there->bytes != out) LECTERN_CHECK(replace_file(path, out, 0600).map([](auto&&) {}));
  return sum_of(out);
}

std::shared_ptr<const LoadedNotebook> with_kept_outputs(std::shared_ptr<const LoadedNotebook> file,
                                                        const std::string& state_dir) {
  auto kept_file = read_whole(state_dir + std::string(name), most_bytes);
  if (!kept_file || keeps_outputs(*file->format)) return file;
  auto keeps = std::make_shared<Keeps>();
  keeps->bytes = std::move(kept_file->bytes);
  const auto kept = read_kept(keeps->bytes);
  if (!kept) {
    log::warning("document", "The outputs kept in " + state_dir + " cannot be read; the notebook has none.");
    return file;
  }
  keeps->file = renamed(file, match_cells(base_of(*kept), {}, *file));
  auto out = std::make_shared<LoadedNotebook>();
  out->cells = keeps->file->cells;
  out->metadata = keeps->file->metadata;
  out->original = keeps->file->original;
  out->language = keeps->file->language;
  out->changed = keeps->file->changed;
  out->notices = keeps->file->notices;
  out->bytes = keeps->file->bytes;
  out->format = keeps->file->format;
  out->fingerprint = keeps->file->fingerprint;
  out->fingerprint.outputs = sum_of(keeps->bytes);
  out->writable = keeps->file->writable;
  std::unordered_map<std::string_view, const Kept*> by_id;
  for (const auto& cell : *kept) by_id.emplace(cell.id, &cell);
  for (auto& cell : out->cells) {
    const auto found = by_id.find(cell.id);
    if (found == by_id.end() || found->second->type != cell.cell_type ||
        found->second->source_hash != crypto::sha256(cell.source)) {
      continue;
    }
    cell.outputs = found->second->outputs;
    cell.attachments = found->second->attachments;
    cell.execution_count = found->second->execution_count;
  }
  out->keeps = std::move(keeps);
  return out;
}

}  // namespace lectern::document
