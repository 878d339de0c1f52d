#include "app/paths.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace lectern::app {
namespace fs = std::filesystem;
namespace {

// XDG: a relative path in these variables is invalid and to be ignored.
fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  fs::path path = value ? value : "";
  return path.is_absolute() ? path : fs::path();
}

fs::path home() {
  const auto path = from_environment("HOME");
  return path.empty() ? fs::path("/") : path;
}

fs::path executable_dir() {
  std::error_code error;
  const auto path = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : path.parent_path();
}

// An existing folder is used only when it is ours alone: it will hold tokens.
Status private_folder(const fs::path& path) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(500, "runtime_dir", "the folder '" + path.string() + "' cannot be made: " + std::strerror(errno),
                "set XDG_RUNTIME_DIR to a folder you own");
  }
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) || facts.st_uid != ::geteuid() ||
      (facts.st_mode & 077) != 0) {
    return fail(500, "runtime_dir", "the folder '" + path.string() + "' is not private to you",
                "remove it, or set XDG_RUNTIME_DIR to a folder you own");
  }
  return {};
}

}  // namespace

fs::path default_state_dir() {
  const auto base = from_environment("XDG_STATE_HOME");
  return (base.empty() ? home() / ".local" / "state" : base) / "lectern";
}

fs::path default_config_file() {
  const auto base = from_environment("XDG_CONFIG_HOME");
  return (base.empty() ? home() / ".config" : base) / "lectern" / "lectern.conf";
}

fs::path runtime_dir_path() {
  const auto base = from_environment("XDG_RUNTIME_DIR");
  if (!base.empty()) return base / "lectern";
  return fs::temp_directory_path() / ("lectern-" + std::to_string(::geteuid()));
}

Result<fs::path> runtime_dir() {
  auto path = runtime_dir_path();
  LECTERN_CHECK(private_folder(path));
  return path;
}

std::vector<fs::path> default_plugin_path() {
  const auto bin = executable_dir();
  std::vector<fs::path> found;
  for (const auto* place : {"../plugins", "../policies", "../lib/lectern/plugins"}) {
    std::error_code error;
    const auto path = fs::canonical(bin / place, error);
    if (!error && fs::is_directory(path, error)) found.push_back(path);
  }
  return found;
}

std::vector<fs::path> plugin_search(const std::vector<std::string>& first) {
  std::vector<fs::path> out(first.begin(), first.end());
  for (auto& path : default_plugin_path()) out.push_back(std::move(path));
  return out;
}

plugin::TrustLists trust_lists() {
  plugin::TrustLists lists;
  for (const auto& folder : default_plugin_path()) lists.own.push_back(folder / plugin::own_list_name);
  lists.users = default_config_file().parent_path() / "trusted-plugins";
  return lists;
}

fs::path default_web_dir() {
  const auto bin = executable_dir();
  std::error_code error;
  // Installed: <prefix>/bin. Build tree: <source>/build/<preset>/bin.
  for (const auto* place : {"../share/lectern/web", "../../../host/web/dist"}) {
    auto path = fs::canonical(bin / place, error);
    if (!error) return path;
  }
  return bin / "../share/lectern/web";
}

fs::path default_templates_dir() {
  const auto bin = executable_dir();
  for (const auto* place : {"../share/lectern/templates", "../../../sdk/templates"}) {
    std::error_code error;
    auto path = fs::canonical(bin / place, error);
    if (!error) return path;
  }
  return {};
}

}  // namespace lectern::app
