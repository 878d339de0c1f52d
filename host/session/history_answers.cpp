#include "session/history_answers.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"

namespace lectern::session {
namespace {

namespace fs = std::filesystem;
using document::Author;
using document::Cell;
using document::Version;

constexpr std::size_t most_source_bytes = 8u << 20;  // in one answer
// The front of an actor that the engine derives for edits at earlier heads; the author's own follows.
constexpr std::string_view derived_actor = "13b22309";

void write_author(json::Writer& writer, const Author& author) {
  writer.begin_object()
      .member("client_id", author.client_id)
      .member("label", author.label)
      .member("device", author.device)
      .end_object();
}

// Sources in one answer, until they are too much.
class Budget {
 public:
  void write(json::Writer& writer, const Cell& cell) {
    writer.member("cell_type", cell.cell_type);
    if (cell.source.size() > left_) {
      cut_ = true;
      writer.member("bytes", static_cast<std::uint64_t>(cell.source.size()));
      return;
    }
    left_ -= cell.source.size();
    writer.member("source", cell.source);
  }
  [[nodiscard]] bool cut() const { return cut_; }

 private:
  std::size_t left_ = most_source_bytes;
  bool cut_ = false;
};

void write_side(json::Writer& writer, std::string_view key, const Cell* cell, Budget& budget) {
  if (cell == nullptr) return;
  writer.key(key).begin_object();
  budget.write(writer, *cell);
  writer.end_object();
}

}  // namespace

std::vector<KeptCopy> kept_copies(const std::string& state_dir) {
  std::vector<KeptCopy> copies;
  std::error_code error;
  for (fs::directory_iterator entry(state_dir + "/copies", error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = entry->path().filename().string();
    KeptCopy copy;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), copy.at_ms);
    if (bad != std::errc() || stop == name.data() + name.size() || *stop != '-') continue;
    copy.version = "copy-" + std::to_string(copy.at_ms);
    copy.name = std::string(stop + 1, name.data() + name.size());
    copy.path = entry->path().string();
    std::error_code unknown;
    copy.bytes = entry->file_size(unknown);
    if (!unknown) copies.push_back(std::move(copy));
  }
  std::sort(copies.begin(), copies.end(), [](const auto& a, const auto& b) { return a.at_ms > b.at_ms; });
  return copies;
}

Result<std::vector<Cell>> cells_of_file(const std::string& path, const document::Formats& formats,
                                        const document::FileLimits& limits) {
  LECTERN_TRY(const auto file, document::load(path, formats, limits));
  std::vector<Cell> cells;
  cells.reserve(file->cells.size());
  for (const auto& one : file->cells) {
    auto& cell = cells.emplace_back();
    cell.id = one.id;
    cell.cell_type = one.cell_type;
    cell.source = one.source;
    cell.metadata_json = one.metadata.empty() ? "{}" : std::string(one.metadata);
  }
  return cells;
}

std::string version_json(const Version& version) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("version", std::to_string(version.number))
      .member("source", version.source)
      .member("started_at", clock::rfc3339(version.first_ms))
      .member("ended_at", clock::rfc3339(version.last_ms))
      .member("edits", version.edits)
      .key("authors")
      .begin_array();
  for (const auto& author : version.authors) write_author(writer, author);
  writer.end_array().key("cells").begin_array();
  for (const auto& cell : version.cells) {
    writer.begin_object()
        .member("cell_id", cell.cell_id)
        .member("inserted", cell.inserted)
        .member("deleted", cell.deleted);
    if (cell.created) writer.member("created", true);
    if (cell.removed) writer.member("removed", true);
    if (cell.moved) writer.member("moved", true);
    if (cell.changed) writer.member("changed", true);
    writer.end_object();
  }
  writer.end_array().member("more_cells", version.more_cells);
  if (!version.restored.empty()) writer.member("restored", version.restored);
  if (!version.restored_cell.empty()) writer.member("restored_cell", version.restored_cell);
  writer.member("history_id", version.history_id).key("heads").begin_array();
  for (const auto& head : version.heads) writer.string(head.hex());
  writer.end_array().end_object();
  return out;
}

std::string kept_json(const std::vector<KeptCopy>& copies) {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const auto& copy : copies) {
    writer.begin_object()
        .member("version", copy.version)
        .member("name", copy.name)
        .member("at", clock::rfc3339(copy.at_ms))
        .member("bytes", copy.bytes)
        .end_object();
  }
  writer.end_array();
  return out;
}

std::string cells_json(const std::vector<Cell>& cells) {
  std::string out;
  json::Writer writer(out);
  Budget budget;
  writer.begin_array();
  for (const auto& cell : cells) {
    writer.begin_object().member("id", cell.id);
    budget.write(writer, cell);
    writer.end_object();
  }
  writer.end_array();
  return "\"cells\":" + out + ",\"truncated\":" + (budget.cut() ? "true" : "false");
}

std::string differences_json(const std::vector<Cell>& before, const std::vector<Cell>& after) {
  const auto differences = document::compare_cells(before, after);
  std::string out;
  json::Writer writer(out);
  Budget budget;
  std::size_t touched = 0;
  writer.begin_array();
  for (const auto& one : differences) {
    touched += one.after != nullptr;
    writer.begin_object()
        .member("cell_id", one.after != nullptr ? one.after->id : one.before->id)
        .member("change", one.before == nullptr  ? "added"
                          : one.after == nullptr ? "removed"
                                                 : "changed")
        .member("source_changed", one.source)
        .member("type_changed", one.type)
        .member("metadata_changed", one.metadata)
        .member("moved", one.moved);
    write_side(writer, "before", one.before, budget);
    write_side(writer, "after", one.after, budget);
    writer.end_object();
  }
  writer.end_array();
  return "\"cells\":" + out + ",\"unchanged\":" + std::to_string(after.size() - touched) +
         ",\"truncated\":" + (budget.cut() ? "true" : "false");
}

std::string blame_json(std::string_view cell_id, const std::vector<document::LineAuthor>& lines,
                       const std::vector<Version>& versions) {
  std::map<std::string_view, const Author*> people;
  for (const auto& version : versions) {
    for (const auto& author : version.authors) {
      for (const auto& actor : author.actors) people[actor] = &author;
    }
  }
  const auto author_of = [&](std::string_view actor) -> const Author* {
    if (const auto it = people.find(actor); it != people.end()) return it->second;
    if (!actor.starts_with(derived_actor)) return nullptr;
    for (const auto& [known, author] : people) {
      if (actor.ends_with(known)) return author;
    }
    return nullptr;
  };
  const auto write_version = [&](json::Writer& writer, std::size_t group, const Author* author) {
    if (group < versions.size()) {
      const auto& version = versions[group];
      writer.member("version", std::to_string(version.number))
          .member("source", version.source)
          .member("at", clock::rfc3339(version.last_ms));
    }
    if (author != nullptr) {
      writer.key("author");
      write_author(writer, *author);
    }
  };
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("cell_id", cell_id);
  const auto last = std::find_if(versions.rbegin(), versions.rend(), [&](const Version& version) {
    return std::any_of(version.cells.begin(), version.cells.end(),
                       [&](const auto& cell) { return cell.cell_id == cell_id; });
  });
  // What no version names was there when the history began.
  const auto group = last == versions.rend() ? std::size_t{0} : static_cast<std::size_t>(versions.rend() - last - 1);
  writer.key("last").begin_object();
  const bool alone = last != versions.rend() && last->authors.size() == 1;
  write_version(writer, group, alone ? &last->authors.front() : nullptr);
  writer.end_object().key("lines").begin_array();
  for (std::size_t i = 0; i < lines.size();) {
    std::size_t end = i + 1;
    while (end < lines.size() && lines[end].group == lines[i].group && lines[end].actor == lines[i].actor) ++end;
    writer.begin_object()
        .member("first", static_cast<std::uint64_t>(i))
        .member("count", static_cast<std::uint64_t>(end - i));
    write_version(writer, static_cast<std::size_t>(lines[i].group), author_of(lines[i].actor));
    writer.end_object();
    i = end;
  }
  writer.end_array().end_object();
  return out;
}

}  // namespace lectern::session
