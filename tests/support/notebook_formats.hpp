// The real format plugins, loaded as the host loads them, for tests of what stands on them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/crypto.hpp"
#include "plugin/format.hpp"
#include "plugin/registry.hpp"

namespace lectern::test {

/// A folder of its own that is gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lectern-test-XXXXXX").string();
    path_ = std::filesystem::canonical(::mkdtemp(pattern.data())).string();
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_file(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
}
inline std::string notebook_data(const std::string& name) {
  const std::string path = std::string(LECTERN_TEST_DATA) + "/notebooks/" + name;
  std::string text = read_file(path);
  EXPECT_FALSE(text.empty()) << path;
  return text;
}

/// plugins/format-ipynb as it was built. Loaded once for the whole test program; in a process of its own when
/// LECTERN_TEST_ISOLATION is "process".
inline const plugin::FormatPtr& ipynb() {
  static const TemporaryFolder staging;
  static plugin::Registry registry([] {
    plugin::RegistryOptions options{{LECTERN_TEST_PLUGINS}, staging.path()};
    const char* set = std::getenv("LECTERN_TEST_ISOLATION");
    if (set != nullptr && std::string_view(set) == "process") {
      options.trust = plugin::TrustLists{};
      options.plugin_host = std::string(LECTERN_TEST_PLUGINS) + "/../bin/lectern-plugin-host";
    }
    return options;
  }());
  static const plugin::FormatPtr format = [] {
    auto generation = registry.load(plugin::Kind::format, "format-ipynb");
    if (!generation) throw std::runtime_error(generation.error().message);
    auto made = plugin::Format::create(std::move(*generation));
    if (!made) throw std::runtime_error(made.error().message);
    return *made;
  }();
  return format;
}

}  // namespace lectern::test
