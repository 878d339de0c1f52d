// Where things lie: state, settings, sockets, and what was built or installed beside this executable.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "plugin/trust.hpp"

namespace lectern::app {

std::filesystem::path default_state_dir();    // $XDG_STATE_HOME/lectern
std::filesystem::path default_config_file();  // $XDG_CONFIG_HOME/lectern/lectern.conf
/// Where runtime_dir() is or would be; makes and checks nothing.
std::filesystem::path runtime_dir_path();
/// $XDG_RUNTIME_DIR/lectern, or a private folder under the temporary one; made with mode 0700. 500 `runtime_dir`.
Result<std::filesystem::path> runtime_dir();
/// The build tree's plugins/ and policies/ and the installed lib/lectern/plugins, as they exist beside the executable.
std::vector<std::filesystem::path> default_plugin_path();
/// Where plugins are looked for: `first`, then those folders.
std::vector<std::filesystem::path> plugin_search(const std::vector<std::string>& first);
/// The lists of own plugins in those folders, and trusted-plugins beside lectern.conf.
plugin::TrustLists trust_lists();
/// The installed share/lectern/web, or the build tree's; a path that does not exist when neither does.
std::filesystem::path default_web_dir();
/// The installed share/lectern/templates, or the source tree's; empty when neither exists.
std::filesystem::path default_templates_dir();

}  // namespace lectern::app
