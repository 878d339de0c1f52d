#include "kernelspec.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <system_error>

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"

namespace jupyter {
namespace fs = std::filesystem;
namespace json = lectern::sdk::json;
namespace {

constexpr std::uintmax_t max_spec_bytes = 1u << 20;
constexpr std::size_t max_conda_environments = 64;
constexpr std::string_view conda_folder = ".conda";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

void add(std::vector<fs::path>& folders, const fs::path& folder) {
  std::error_code problem;
  if (!folder.is_absolute() || !fs::is_directory(folder, problem)) return;
  if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
}

void add_prefix(std::vector<fs::path>& folders, const fs::path& prefix) {
  if (!prefix.empty()) add(folders, prefix / "share/jupyter/kernels");
}

/// What uv and venv, conda and pixi make in a project's folder: of this folder or the nearest one above that has any.
void add_above(std::vector<fs::path>& folders, const fs::path& start) {
  for (fs::path at = start; !at.empty(); at = at.parent_path()) {
    bool any = false;
    for (const std::string_view name :
         {std::string_view(".venv"), conda_folder, std::string_view(".pixi/envs/default")}) {
      std::error_code problem;
      // ~/.conda is conda's own folder, and no environment.
      const auto needed = name == conda_folder ? at / name / "conda-meta" : at / name;
      if (!fs::is_directory(needed, problem)) continue;
      add_prefix(folders, at / name);
      any = true;
    }
    if (any || at == at.parent_path()) return;
  }
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::size_t from = 0;
  while (from <= text.size()) {
    const auto to = std::min(text.find(separator, from), text.size());
    if (to > from) out.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return out;
}

/// The environments of this person that conda keeps a list of.
std::vector<fs::path> conda_environments() {
  std::vector<fs::path> prefixes;
  const auto home = environment("HOME");
  if (home.empty()) return prefixes;
  std::ifstream list(fs::path(home) / ".conda/environments.txt");
  for (std::string line; prefixes.size() < max_conda_environments && std::getline(list, line);) {
    std::error_code problem;
    const fs::path prefix(line);
    if (prefix.is_absolute() && fs::is_directory(prefix / "conda-meta", problem)) prefixes.push_back(prefix);
  }
  return prefixes;
}

fs::path prefix_of(const fs::path& kernels_folder) {
  const auto prefix = kernels_folder.parent_path().parent_path().parent_path();
  std::error_code problem;
  if (kernels_folder.parent_path().parent_path().filename() != "share") return {};
  return fs::exists(prefix / "pyvenv.cfg", problem) || fs::exists(prefix / "conda-meta", problem) ? prefix : fs::path();
}

bool valid_name(const std::string& name) {
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
  });
}

std::optional<Kernelspec> read(const fs::path& folder) {
  std::error_code problem;
  const auto file = folder / "kernel.json";
  if (!fs::is_regular_file(file, problem)) return std::nullopt;
  if (fs::file_size(file, problem) > max_spec_bytes || problem) {
    lectern::sdk::log_warning("left out " + file.string() + ": larger than 1 MiB or unreadable");
    return std::nullopt;
  }
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  Kernelspec spec;
  spec.name = folder.filename().string();
  spec.directory = folder;
  spec.display_name = json::text(json::member(text, "display_name"));
  spec.language = json::text(json::member(text, "language"));
  spec.interrupt_mode = json::text(json::member(text, "interrupt_mode"));
  if (spec.interrupt_mode.empty()) spec.interrupt_mode = "signal";
  if (spec.display_name.empty()) spec.display_name = spec.name;
  json::each_item(json::member(text, "argv"), [&](std::string_view item) {
    spec.argv.push_back(json::text(item));
    return true;
  });
  json::each_member(json::member(text, "env"), [&](std::string_view key, std::string_view value) {
    spec.env.emplace(json::text(key), json::text(value));
    return true;
  });
  if (!json::valid(text) || spec.argv.empty() || spec.argv.front().empty()) {
    lectern::sdk::log_warning("left out " + file.string() + ": it is not JSON with an argv that names a program");
    return std::nullopt;
  }
  return spec;
}

}  // namespace

std::vector<fs::path> kernel_folders(const std::vector<fs::path>& near) {
  std::vector<fs::path> folders;
  for (const auto& place : near) add_above(folders, place);
  add_prefix(folders, environment("LECTERN_VENV"));
  add_prefix(folders, environment("VIRTUAL_ENV"));
  add_prefix(folders, environment("CONDA_PREFIX"));
  std::error_code problem;
  add_above(folders, fs::current_path(problem));
  for (const auto& place : split(environment("JUPYTER_PATH"), ':')) add(folders, fs::path(place) / "kernels");
  if (const auto data = environment("JUPYTER_DATA_DIR"); !data.empty()) {
    add(folders, fs::path(data) / "kernels");
  } else if (const auto xdg = environment("XDG_DATA_HOME"); !xdg.empty()) {
    add(folders, fs::path(xdg) / "jupyter/kernels");
  } else if (const auto home = environment("HOME"); !home.empty()) {
    add(folders, fs::path(home) / ".local/share/jupyter/kernels");
  }
  add(folders, "/usr/local/share/jupyter/kernels");
  add(folders, "/usr/share/jupyter/kernels");
  return folders;
}

std::vector<Kernelspec> find_kernelspecs(const std::vector<fs::path>& near) {
  std::vector<Kernelspec> specs;
  std::set<std::string> names;
  const auto take = [&](const fs::path& folder, const std::string& conda) {
    std::vector<fs::path> entries;
    std::error_code problem;
    for (fs::directory_iterator it(folder, problem), end; !problem && it != end; it.increment(problem)) {
      entries.push_back(it->path());
    }
    std::sort(entries.begin(), entries.end());
    for (const auto& entry : entries) {
      const auto name = entry.filename().string() + (conda.empty() ? "" : "-" + conda);
      if (!valid_name(name) || names.contains(name)) continue;
      auto spec = read(entry);
      if (!spec) continue;
      spec->name = name;
      spec->prefix = prefix_of(folder);
      if (!conda.empty()) spec->display_name += " (conda: " + conda + ")";
      names.insert(name);
      specs.push_back(std::move(*spec));
    }
  };
  const auto folders = kernel_folders(near);
  for (const auto& folder : folders) take(folder, {});
  for (const auto& prefix : conda_environments()) {
    const auto folder = prefix / "share/jupyter/kernels";
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) take(folder, prefix.filename().string());
  }
  return specs;
}

}  // namespace jupyter
