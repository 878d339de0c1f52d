// The widget models of a kernel that is kept: written down when its host leaves it, and read once.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/kept_kernels.hpp"
#include "runtime/kept_models.hpp"
#include "runtime/models.hpp"

namespace lectern::runtime {
namespace {
namespace fs = std::filesystem;

ModelStore widgets() {
  ModelStore store;
  (void)store.open("z-first", "jupyter.widget", R"({"state":{"value":1.50,"raw":null},"buffer_paths":[["raw"]]})",
                   {std::string("\0\n\xff", 3)}, "cell-1");
  (void)store.open("a-second", "my.target", R"({"anything":[1]})", {}, "");
  (void)store.message("z-first", R"({"method":"update","state":{"value":2.50}})", {});
  return store;
}

class KeptModelsTest : public ::testing::Test {
 protected:
  KeptModelsTest() {
    std::string name = (fs::temp_directory_path() / "lectern-kept-models-XXXXXX").string();
    state_ = ::mkdtemp(name.data());
    kept_.emplace(state_, true, [](Task task) { task(); });
    KeptKernel kernel;
    kernel.session_id = "s-1";
    EXPECT_TRUE(kept_->prepare(kernel).has_value());
  }
  ~KeptModelsTest() override {
    kept_.reset();
    fs::remove_all(state_);
  }
  [[nodiscard]] fs::path file() const { return state_ / "kernels/s-1/models.jsonl"; }
  fs::path state_;
  std::optional<KeptKernels> kept_;
};

TEST_F(KeptModelsTest, ComeBackAsTheyWereAndOnce) {
  const auto store = widgets();
  kept_->put_models("s-1", store.snapshot());
  struct stat seen {};
  ASSERT_EQ(::stat(file().c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777, 0600u);
  ModelStore next;
  for (auto& model : kept_->take_models("s-1")) {
    const auto opened =
        next.open(model.id, model.target, model.data, std::move(model.buffers), model.cell_id, model.revision);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
  }
  const auto before = store.snapshot(), after = next.snapshot();
  ASSERT_EQ(after.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(after[i].data(), before[i].data());
  EXPECT_EQ(after[0].revision, 2u);
  EXPECT_FALSE(fs::exists(file()));
  EXPECT_TRUE(kept_->take_models("s-1").empty());
}

TEST_F(KeptModelsTest, WhatIsDamagedOrTooMuchIsNotBroughtBackInPart) {
  const auto text = *kept_models_text(widgets().snapshot());
  EXPECT_EQ(kept_models_from(text).size(), 2u);
  EXPECT_TRUE(kept_models_from(text.substr(0, text.size() - 5)).empty());
  EXPECT_TRUE(kept_models_from("{}\n" + text).empty());
  EXPECT_TRUE(kept_models_from(R"({"model_id":"a","revision":1,"message":{},"buffers":["?"]})").empty());
  ModelStore large;
  for (const auto* id : {"a", "b"}) {
    (void)large.open(id, "jupyter.widget", R"({"state":{"raw":null},"buffer_paths":[["raw"]]})",
                     {std::string(most_kept_models_bytes / 2, 'x')}, "");
  }
  EXPECT_FALSE(kept_models_text(large.snapshot()).has_value());
  kept_->put_models("s-1", large.snapshot());
  EXPECT_FALSE(fs::exists(file()));
}

}  // namespace
}  // namespace lectern::runtime
