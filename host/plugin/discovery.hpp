// What lies in the search path: manifests and libraries, read without loading any. Private to plugin/, but for Found.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/file_facts.hpp"
#include "plugin/manifest.hpp"

namespace lectern::plugin {

/// One plugin as it lies on disk.
struct Found {
  std::filesystem::path path;        // of the manifest, or of what should have had one
  std::string id;                    // of the manifest; the file's name when it could not be read
  std::optional<Manifest> manifest;  // absent when it could not be read
  std::optional<Error> refused;      // absent = fine as far as can be told without loading
};

/// What was found before and was fine: looking again at what did not change reads no file and lists no folder. Every
/// notebook that is opened looks.
struct KnownPlugins {
  struct Plugin {
    FileFacts manifest, library;
    Found found;
  };
  struct Folder {
    FileFacts facts;
    std::vector<std::filesystem::path> entries;  // sorted
  };
  std::map<std::filesystem::path, Plugin> plugins;  // by the manifest's path
  std::map<std::filesystem::path, Folder> folders;
};

/// [control] All there is in these folders, by id; looks at the disk each time, and reads what is not in `known`. An id
/// found again is `shadowed`.
std::vector<Found> discover(const std::vector<std::filesystem::path>& search, KnownPlugins& known);

/// [any] The manifest of the plugin to load, of what discover() found. 404 `plugin_missing` with what there is instead,
/// or the error that refused it.
Result<Manifest> choose(Kind kind, std::string_view id, const std::vector<Found>& all,
                        const std::vector<std::filesystem::path>& search);

}  // namespace lectern::plugin
