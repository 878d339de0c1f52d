#include "subject.hpp"

#include <algorithm>

namespace lectern::validate {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view suffix = ".plugin.json";

std::vector<fs::path> manifests_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().ends_with(suffix)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

Subject from_manifest(const fs::path& path) {
  Subject made;
  made.manifest_path = path;
  auto manifest = plugin::read_manifest(path);
  const std::string name = path.filename().string();
  made.library = path.parent_path() / (name.substr(0, name.size() - suffix.size()) + ".so");
  if (manifest) {
    made.library = manifest->library_path();
    made.manifest = std::move(*manifest);
  } else {
    made.manifest_error = manifest.error();
  }
  return made;
}

Subject from_library(const fs::path& path) {
  const fs::path usual = fs::path(path).replace_extension().string() + std::string(suffix);
  std::error_code error;
  Subject made;
  if (fs::is_regular_file(usual, error)) {
    made = from_manifest(usual);
  } else {
    made.manifest_error = {
        404, "not_found", "there is no " + usual.filename().string() + " beside the library", {}, {}};
    for (const auto& manifest : manifests_in(path.parent_path())) {
      Subject other = from_manifest(manifest);
      if (other.manifest && other.manifest->library == path.filename()) made = std::move(other);
    }
  }
  made.library = path;
  return made;
}

}  // namespace

Result<Subject> find_subject(const fs::path& plugin) {
  std::error_code error;
  const fs::path path = fs::absolute(plugin, error);
  if (fs::is_directory(path, error)) {
    const auto found = manifests_in(path);
    if (found.size() == 1) return from_manifest(found.front());
    return fail(404, "not_found",
                plugin.string() + " holds " + std::to_string(found.size()) + " manifests (*.plugin.json)",
                "Name the library, or a folder of one plugin.");
  }
  if (!fs::is_regular_file(path, error))
    return fail(404, "not_found", plugin.string() + " does not exist", "Name the plugin's .so.");
  if (path.filename().string().ends_with(suffix)) return from_manifest(path);
  return from_library(path);
}

}  // namespace lectern::validate
