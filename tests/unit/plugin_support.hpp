// What the tests of plugin/ share: registries on real folders, in a temporary folder of their own.
#pragma once

#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/registry.hpp"

namespace lectern::plugin::testing {

namespace fs = std::filesystem;

/// Gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "lectern-plugin-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline void write_file(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline const fs::path shipped = LECTERN_TEST_PLUGINS;
inline const fs::path bad = fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-bad";
inline const fs::path twins = fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-twins";

inline const fs::path plugin_host = fs::path(LECTERN_TEST_PLUGINS) / ".." / "bin" / "lectern-plugin-host";

/// Nothing is trusted: formats and policies run in processes of their own. CTest runs the suites of both kinds a second
/// time that way (tests/CMakeLists.txt), so that nothing in the interface comes to need the host's own process.
inline RegistryOptions isolating(RegistryOptions options) {
  options.trust = TrustLists{};
  options.plugin_host = plugin_host;
  return options;
}
/// Without it nothing would hold a presence backend to its folder, and the host refuses to isolate one.
inline bool has_landlock() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}
inline bool isolated_run() {
  const char* set = std::getenv("LECTERN_TEST_ISOLATION");
  return set != nullptr && std::string_view(set) == "process";
}

/// Each test has its own staging folder, so that nothing is left over from another run.
class RegistryTest : public ::testing::Test {
 protected:
  std::unique_ptr<Registry> registry(std::vector<fs::path> search) {
    RegistryOptions options{std::move(search), temporary_.path() / "state"};
    return std::make_unique<Registry>(isolated_run() ? isolating(std::move(options)) : std::move(options));
  }
  TemporaryFolder temporary_;
};

}  // namespace lectern::plugin::testing
