#include "api/file_entries.hpp"

#include "base/clock.hpp"
#include "base/text.hpp"

namespace lectern::api {

json::Value entry_json(const document::FolderEntry& entry, const document::PathPolicy& paths,
                       const document::Formats& formats) {
  const bool folder = entry.kind == document::PathKind::folder;
  const auto is_notebook = [&] {
    const auto where = paths.resolve(entry.relative);
    return where && document::looks_like_notebook(where->path, formats);
  };
  json::Value out;
  out.set("name", entry.name);
  out.set("path", entry.relative);
  out.set("type", folder ? "folder" : is_notebook() ? "notebook" : "file");
  if (!folder) out.set("size", entry.size);
  out.set("modified", clock::rfc3339(entry.modified_ms));
  return out;
}

Status check_shown(std::string_view relative) {
  if (!relative.starts_with('.') && relative.find("/.") == std::string_view::npos) return {};
  return fail(403, "hidden_file", "the path \"" + text::label(relative, 200) + "\" has a name that begins with a dot",
              "hidden files are not listed, read or changed here; choose another name");
}

session::SessionPtr session_at(const session::Directory& directory, std::string_view path) {
  for (const auto& session : directory.sessions()) {
    if (session->connection_info().path == path) return session;
  }
  return nullptr;
}

}  // namespace lectern::api
