#include "app/history_tool.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "api/url.hpp"
#include "app/answer_view.hpp"
#include "app/client.hpp"
#include "app/commands.hpp"

namespace lectern::app {
namespace fs = std::filesystem;
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Opening what is open already finds its session; the session then ends by itself when nobody uses it.
struct Opened {
  Client client;
  std::string base;  // of the session's routes
};

Result<Opened> open_notebook(const ToolOptions& options) {
  const auto& given = options.positional[0];
  std::error_code error;
  const auto canonical = fs::canonical(given, error);
  const auto path = error ? given : canonical.string();
  LECTERN_TRY(auto client, find_server(options, path));
  json::Value body;
  body.set("path", path);
  LECTERN_TRY(const auto answer, client.request("POST", "/api/v1/notebooks/open", body));
  auto base = "/api/v1/sessions/" + api::percent_encode(text_of(answer.body, "session_id"));
  return Opened{std::move(client), std::move(base)};
}

std::string people_of(const json::Value& version) {
  std::string out;
  for (const auto& author : array_of(version, "authors")) {
    const auto label = text_of(author, "label");
    const auto device = text_of(author, "device");
    out += (out.empty() ? "" : ", ") + (label.empty() ? text_of(author, "client_id") : label);
    if (!device.empty()) out += " (" + device + ")";
  }
  return out;
}

std::string did(const json::Value& version) {
  const auto source = text_of(version, "source");
  if (source == "import") return "opened the file";
  if (source == "create") return "made the notebook";
  if (source == "earlier") return "everything before the history was kept";
  if (source == "trimmed") return "began a new history; the one before was kept aside";
  if (source == "recovered") return "recovered after a crash";
  if (source == "restore") {
    const auto cell = text_of(version, "restored_cell");
    return "restored " + (cell.empty() ? "" : "cell " + cell + " of ") + text_of(version, "restored");
  }
  std::uint64_t inserted = 0, deleted = 0;
  const auto& cells = array_of(version, "cells");
  for (const auto& cell : cells) {
    if (const auto* n = cell.find("inserted")) inserted += n->as_uint().value_or(0);
    if (const auto* n = cell.find("deleted")) deleted += n->as_uint().value_or(0);
  }
  const auto* more = version.find("more_cells");
  const auto count = cells.size() + (more ? more->as_uint().value_or(0) : 0);
  auto out = std::to_string(count) + (count == 1 ? " cell, +" : " cells, +") + std::to_string(inserted) + " -" +
             std::to_string(deleted);
  if (source != "client") out = source + ": " + out;
  return out;
}

void print_versions(const json::Value& answer) {
  for (const auto& version : array_of(answer, "versions")) {
    const auto people = people_of(version);
    std::cout << text_of(version, "version") << "  " << text_of(version, "ended_at") << "  "
              << (people.empty() ? "-" : people) << "  " << did(version) << "\n";
  }
  for (const auto& kept : array_of(answer, "kept")) {
    std::cout << text_of(kept, "version") << "  " << text_of(kept, "at") << "  -  the file " << text_of(kept, "name")
              << " as a save found it, " << text_of(kept, "bytes") << " bytes\n";
  }
  if (const auto next = text_of(answer, "next_before"); !next.empty()) {
    std::cout << "older: --before " << next << "\n";
  }
}

void print_lines(char mark, const std::string& source) {
  for (std::size_t at = 0; at < source.size();) {
    const auto end = std::min(source.find('\n', at), source.size());
    std::cout << mark << source.substr(at, end - at) << "\n";
    at = end + 1;
  }
}

void print_differences(const json::Value& answer) {
  for (const auto& cell : array_of(answer, "cells")) {
    std::cout << text_of(cell, "change") << " " << text_of(cell, "cell_id")
              << (text_of(cell, "moved") == "true" ? ", moved" : "")
              << (text_of(cell, "type_changed") == "true" ? ", another type" : "")
              << (text_of(cell, "metadata_changed") == "true" ? ", other metadata" : "") << "\n";
    const auto* before = cell.find("before");
    const auto* after = cell.find("after");
    if (before && after && text_of(cell, "source_changed") != "true") continue;
    if (before) print_lines('-', text_of(*before, "source"));
    if (after) print_lines('+', text_of(*after, "source"));
  }
  std::cout << text_of(answer, "unchanged") << " cells are the same\n";
}

void print_blame(const json::Value& answer) {
  const auto who = [](const json::Value& row) {
    const auto* author = row.find("author");
    const auto label = author ? text_of(*author, "label") : std::string();
    return !label.empty() ? label : author ? text_of(*author, "client_id") : text_of(row, "source");
  };
  if (const auto* last = answer.find("last"); last && last->find("version")) {
    std::cout << "changed last by " << who(*last) << ", " << text_of(*last, "at") << ", in version "
              << text_of(*last, "version") << "\n";
  }
  for (const auto& row : array_of(answer, "lines")) {
    const auto first = row.find("first")->as_uint().value_or(0) + 1;
    const auto end = first + row.find("count")->as_uint().value_or(1) - 1;
    std::cout << "line " << first << (end > first ? "-" + std::to_string(end) : "") << "  " << who(row) << "  "
              << text_of(row, "at") << "\n";
  }
}

Headers with_epoch(Headers headers, const std::string& epoch) {
  headers.emplace_back("Lectern-Epoch", epoch);
  return headers;
}

}  // namespace

Status run_history(const ToolOptions& options) {
  LECTERN_TRY(auto opened, open_notebook(options));
  auto path = opened.base + "/history";
  const bool one = options.positional.size() > 1;
  const bool cell = !options.cell.empty();
  if (cell) {
    path = opened.base + "/blame/" + api::percent_encode(options.cell);
  } else if (one) {
    path += "/" + api::percent_encode(options.positional[1]) +
            "?against=" + api::percent_encode(options.against.empty() ? "now" : options.against);
  } else {
    path += "?limit=" + std::to_string(options.limit);
    if (!options.before.empty()) path += "&before=" + api::percent_encode(options.before);
  }
  LECTERN_TRY(const auto answer, opened.client.request("GET", path));
  if (options.json) {
    std::cout << json::write(answer.body) << "\n";
  } else if (cell) {
    print_blame(answer.body);
  } else if (one) {
    print_differences(answer.body);
  } else {
    print_versions(answer.body);
  }
  return {};
}

Status run_restore(const ToolOptions& options) {
  LECTERN_TRY(auto opened, open_notebook(options));
  auto& client = opened.client;
  json::Value who;
  who.set("label", "lectern restore");
  who.set("kind", "program");
  LECTERN_TRY(const auto made, client.request("POST", opened.base + "/clients", who));
  const auto* identity = made.body.find("client");
  if (!identity) return fail(500, "failed", "the server's answer names no client");
  const Headers headers = {{"Lectern-Client", text_of(*identity, "id") + "." + text_of(*identity, "secret")}};
  const auto* room = made.body.find("room");
  const auto* editor = room ? room->find("editor") : nullptr;
  if (editor && editor->is_object() && text_of(*editor, "client_id") != text_of(*identity, "id") && !options.take_pen) {
    return fail(409, "pen_held", text_of(*editor, "label") + " is editing this notebook",
                "ask them, or take the pen from them with --take-pen");
  }
  // Where nobody edits, whoever joins has the pen already, and the epoch is the same.
  json::Value why;
  why.set("reason", "lectern restore");
  LECTERN_TRY(const auto pen, client.request("POST", opened.base + "/takeover", why, headers));
  if (pen.status == 202) {
    return fail(409, "asked", "somebody else is editing and was asked for the pen",
                "try again when it is free: lectern takeover waits for it");
  }
  const auto epoch = text_of(pen.body, "epoch");
  json::Value body;
  body.set("version", options.positional[1]);
  if (!options.cell.empty()) body.set("cell_id", options.cell);
  const auto restored = client.request("POST", opened.base + "/commands/restore", body, with_epoch(headers, epoch));
  const auto released = client.request("POST", opened.base + "/commands/release", json::Value(json::Object{}),
                                       with_epoch(headers, epoch));
  if (!restored) return fail(restored.error());
  if (!released && released.error().code != "stale_epoch") return fail(released.error());
  if (options.json) {
    std::cout << json::write(restored->body) << "\n";
  } else {
    const auto changes = text_of(restored->body, "changes");
    std::cout << (changes == "0" ? "Nothing differs." : "Restored, as " + changes + " edits.") << "\n";
  }
  return {};
}

}  // namespace lectern::app
