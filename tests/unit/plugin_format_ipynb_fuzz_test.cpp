// Replays the fuzz corpus of plugins/format-ipynb, and each of its files cut at every byte, through the built plugin.
#include <gtest/gtest.h>

#include <filesystem>

#include "../fuzz/format-ipynb/target.hpp"
#include "../support/notebook_formats.hpp"

namespace lectern::plugin {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> paths;
  for (const char* folder : {LECTERN_TEST_DATA "/../fuzz/format-ipynb/corpus", LECTERN_TEST_DATA "/notebooks"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path().string());
  }
  return paths;
}

const lectern_format& format() {
  return *static_cast<const lectern_format*>(test::ipynb()->generation()->interface());
}

TEST(FormatIpynbFuzz, TheCorpusHolds) {
  const auto paths = corpus();
  EXPECT_GT(paths.size(), 30u);
  for (const auto& path : paths) {
    SCOPED_TRACE(path);
    fuzz::check_format(format(), test::read_file(path));
  }
}

TEST(FormatIpynbFuzz, CutAtEveryByteTheCorpusHolds) {
  for (const auto& path : corpus()) {
    const std::string whole = test::read_file(path);
    for (std::size_t size = 0; size < whole.size(); ++size) fuzz::check_format(format(), whole.substr(0, size));
  }
}

}  // namespace
}  // namespace lectern::plugin
