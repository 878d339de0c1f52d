// Finds kernelspecs where Jupyter keeps them, and in virtual environments beside the notebook.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace jupyter {

struct Kernelspec {
  std::string name;
  std::string display_name, language;
  std::string interrupt_mode;     // "signal" or "message"
  std::vector<std::string> argv;  // with {connection_file} and {resource_dir} still in it
  std::map<std::string, std::string> env;
  std::filesystem::path directory;  // where kernel.json is
  std::filesystem::path prefix;     // the environment it belongs to (…/.venv); empty for Jupyter's own folders
};

/// Folders that hold kernelspecs, most specific first: the environments in `near` or a folder above it (`.venv`,
/// `.conda`, pixi's default), those named by LECTERN_VENV, VIRTUAL_ENV and CONDA_PREFIX, the working directory's, then
/// Jupyter's path (JUPYTER_PATH, the user's data folder, /usr/local, /usr).
std::vector<std::filesystem::path> kernel_folders(const std::vector<std::filesystem::path>& near);

/// All kernelspecs found there; the first folder to have a name wins. A damaged one is left out and logged. Those of
/// conda's list of environments come last, as <name>-<environment>.
std::vector<Kernelspec> find_kernelspecs(const std::vector<std::filesystem::path>& near);

}  // namespace jupyter
