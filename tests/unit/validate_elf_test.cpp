// The ELF reader is given what nobody links: cut and damaged files must end in words, never outside of the file.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "elf_file.hpp"

namespace lectern::validate {
namespace {

namespace fs = std::filesystem;

class ElfTest : public ::testing::Test {
 public:
  ElfTest() {
    std::string name = (fs::temp_directory_path() / "lectern-elf-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    std::ifstream file(fs::path(LECTERN_TEST_PLUGINS) / "local-takeover" / "local-takeover.so", std::ios::binary);
    whole_.assign(std::istreambuf_iterator<char>(file), {});
  }
  ~ElfTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  ElfTest(const ElfTest&) = delete;
  ElfTest& operator=(const ElfTest&) = delete;

 protected:
  Result<ElfFile> read(const std::string& bytes) {
    std::ofstream(folder_ / "x.so", std::ios::binary) << bytes;
    return read_elf(folder_ / "x.so");
  }
  fs::path folder_;
  std::string whole_;
};

TEST_F(ElfTest, AGoodOneTellsItsSymbols) {
  const auto elf = read(whole_);
  ASSERT_TRUE(elf) << elf.error().message;
  const auto exported =
      std::count_if(elf->symbols.begin(), elf->symbols.end(), [](const auto& one) { return one.defined; });
  EXPECT_EQ(exported, 1);
  EXPECT_FALSE(elf->soname);
  EXPECT_FALSE(elf->needed.empty());
  EXPECT_FALSE(elf->no_delete);
}

TEST_F(ElfTest, CutAnywhereItEndsInWords) {
  for (std::size_t size = 0; size < whole_.size(); size += std::max<std::size_t>(whole_.size() / 300, 1)) {
    const auto elf = read(whole_.substr(0, size));
    ASSERT_FALSE(elf) << size;
    EXPECT_FALSE(elf.error().message.empty());
  }
}

TEST_F(ElfTest, DamagedItIsReadInsideItsBounds) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole_;
    // Mostly where the offsets are: the header, and the section headers at the end.
    for (int n = 0; n < 4; ++n) {
      const std::size_t range = random() % 2 == 0 ? 64 : 2600;
      const std::size_t at = random() % 2 == 0 ? random() % range : bytes.size() - 1 - random() % range;
      bytes[at] = static_cast<char>(random());
    }
    (void)read(bytes);
  }
}

}  // namespace
}  // namespace lectern::validate
