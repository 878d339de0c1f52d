#include "plugin/discovery.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "plugin/library.hpp"

namespace lectern::plugin {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view suffix = ".plugin.json";

bool is_manifest(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.size() > suffix.size() && name.ends_with(suffix);
}

std::vector<fs::path> sorted_entries(const fs::path& folder, KnownPlugins& known) {
  const auto facts = FileFacts::of(folder);
  if (const auto at = known.folders.find(folder); at != known.folders.end()) {
    if (at->second.facts == facts) return at->second.entries;
    known.folders.erase(at);
  }
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end;
       !error && at != end; at.increment(error)) {
    entries.push_back(at->path());
  }
  std::sort(entries.begin(), entries.end());
  if (!error && facts.settled()) known.folders.emplace(folder, KnownPlugins::Folder{facts, entries});
  return entries;
}

Found read(const fs::path& manifest_path) {
  Found found;
  found.path = manifest_path;
  const std::string name = manifest_path.filename().string();
  found.id = name.substr(0, name.size() - suffix.size());
  auto manifest = read_manifest(manifest_path);
  if (!manifest) {
    found.refused = std::move(manifest).error();
    return found;
  }
  found.id = manifest->id;
  found.manifest = std::move(*manifest);
  const fs::path library = found.manifest->library_path();
  if (auto status = check_library_file(library, library); !status) found.refused = std::move(status).error();
  return found;
}

Found inspect(const fs::path& manifest_path, KnownPlugins& known) {
  const auto manifest = FileFacts::of(manifest_path);
  if (const auto at = known.plugins.find(manifest_path); at != known.plugins.end()) {
    const auto& [its_manifest, its_library, found] = at->second;
    if (its_manifest == manifest && its_library == FileFacts::of(found.manifest->library_path())) return found;
    known.plugins.erase(at);
  }
  auto found = read(manifest_path);
  if (found.refused) return found;
  const auto library = FileFacts::of(found.manifest->library_path());
  if (manifest.settled() && library.settled()) {
    known.plugins.emplace(manifest_path, KnownPlugins::Plugin{manifest, library, found});
  }
  return found;
}

/// A folder with a library and no manifest is somebody's plugin that went wrong; any other folder is none of ours.
std::optional<Found> without_manifest(const fs::path& folder, KnownPlugins& known) {
  for (const fs::path& entry : sorted_entries(folder, known)) {
    if (entry.extension() != ".so") continue;
    Found found;
    found.path = entry;
    found.id = entry.stem().string();
    found.refused = Error{422,
                          "missing_manifest",
                          entry.string() + " has no manifest beside it",
                          "Install " + found.id + std::string(suffix) + " too; lectern_add_plugin() writes it.",
                          {}};
    return found;
  }
  return std::nullopt;
}

void look_into(const fs::path& folder, KnownPlugins& known, std::vector<Found>& out) {
  for (const fs::path& entry : sorted_entries(folder, known)) {
    std::error_code error;
    if (is_manifest(entry)) {
      out.push_back(inspect(entry, known));
    } else if (fs::is_directory(entry, error)) {
      const auto before = out.size();
      for (const fs::path& inner : sorted_entries(entry, known)) {
        if (is_manifest(inner)) out.push_back(inspect(inner, known));
      }
      if (out.size() == before) {
        if (auto found = without_manifest(entry, known)) out.push_back(std::move(*found));
      }
    }
  }
}

std::string join(const std::vector<std::string>& words, const std::string& none) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? none : out;
}

tl::unexpected<Error> plugin_missing(Kind kind, std::string_view id, const std::vector<Found>& all,
                                     const std::vector<fs::path>& search) {
  std::vector<std::string> same_kind, folders;
  for (const Found& found : all) {
    if (!found.refused && found.manifest->kind == kind) same_kind.push_back(found.id);
  }
  for (const fs::path& folder : search) folders.push_back(folder.string());
  const std::string kind_text(kind_name(kind));
  const std::string near = text::nearest(id, same_kind);
  return fail(404, "plugin_missing",
              "no " + kind_text + " plugin \"" + text::label(id, 64) + "\" in " +
                  join(folders, "an empty search path") + "; there: " + join(same_kind, "no " + kind_text + " at all"),
              near.empty() ? "Install it into one of these folders, or name its folder with --plugin-path."
                           : "Did you mean \"" + near + "\"?");
}

}  // namespace

std::vector<Found> discover(const std::vector<fs::path>& search, KnownPlugins& known) {
  std::vector<Found> all;
  std::map<std::string, fs::path> first;
  for (const fs::path& folder : search) {
    std::vector<Found> here;
    look_into(folder, known, here);
    for (Found& found : here) {
      // A refused one shadows nothing: a broken copy in an early folder must not hide a good one.
      if (!found.refused) {
        const auto [at, is_first] = first.emplace(found.id, found.path);
        if (!is_first) {
          found.refused = Error{409,
                                "shadowed",
                                found.id + " is found earlier, at " + at->second.string(),
                                "Remove one of the two, or change the order of the search path.",
                                {}};
        }
      }
      all.push_back(std::move(found));
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.id < b.id; });
  return all;
}

Result<Manifest> choose(Kind kind, std::string_view id, const std::vector<Found>& all,
                        const std::vector<fs::path>& search) {
  const Found* refused = nullptr;
  const Found* other_kind = nullptr;
  for (const Found& found : all) {
    if (found.id != id) continue;
    if (found.refused) {
      if (found.refused->code != "shadowed") refused = &found;
    } else if (found.manifest->kind != kind) {
      other_kind = &found;
    } else {
      return *found.manifest;
    }
  }
  if (refused != nullptr) return fail(*refused->refused);
  if (other_kind != nullptr) {
    return fail(404, "plugin_missing",
                std::string(id) + " is a " + std::string(kind_name(other_kind->manifest->kind)) + ", not a " +
                    std::string(kind_name(kind)),
                "`lectern plugins` lists what there is.");
  }
  return plugin_missing(kind, id, all, search);
}

}  // namespace lectern::plugin
