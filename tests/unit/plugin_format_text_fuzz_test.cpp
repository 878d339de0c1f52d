// Replays the fuzz corpora of the plugins for text notebooks, and each file cut at every byte, through the built
// plugins.
#include <gtest/gtest.h>

#include <filesystem>

#include "../fuzz/format-ipynb/target.hpp"
#include "../support/text_formats.hpp"

namespace lectern::plugin {
namespace {

struct Flavour {
  const char* corpus;
  const char* plugin;
  std::size_t files;
};

class FormatTextFuzz : public ::testing::TestWithParam<Flavour> {
 protected:
  static std::vector<std::filesystem::path> corpus() {
    std::vector<std::filesystem::path> paths;
    const std::string folder = std::string(LECTERN_TEST_DATA "/../fuzz/format-text/") + GetParam().corpus;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
    return paths;
  }
  static const lectern_format& format() {
    return *static_cast<const lectern_format*>(test::format_plugin(GetParam().plugin)->generation()->interface());
  }
};

TEST_P(FormatTextFuzz, TheCorpusHolds) {
  const auto paths = corpus();
  EXPECT_GE(paths.size(), GetParam().files);
  for (const auto& path : paths) {
    SCOPED_TRACE(path);
    fuzz::check_format(format(), test::read_file(path), path.filename().string());
  }
}

TEST_P(FormatTextFuzz, CutAtEveryByteTheCorpusHolds) {
  for (const auto& path : corpus()) {
    const std::string whole = test::read_file(path), name = path.filename().string();
    for (std::size_t size = 0; size < whole.size(); ++size) fuzz::check_format(format(), whole.substr(0, size), name);
  }
}

INSTANTIATE_TEST_SUITE_P(Plugins, FormatTextFuzz,
                         ::testing::Values(Flavour{"percent", "format-percent", 12},
                                           Flavour{"myst", "format-markdown", 7},
                                           Flavour{"quarto", "format-quarto", 5}),
                         [](const auto& flavour) { return std::string(flavour.param.corpus); });

}  // namespace
}  // namespace lectern::plugin
