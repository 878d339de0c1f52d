// When the widget models of a kept kernel are written down: soon, seldom, and again after it did not work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "runtime/kept_files.hpp"
#include "runtime/kept_model_file.hpp"
#include "runtime/model_notes.hpp"

namespace lectern::runtime {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;

class ModelNotesTest : public ::testing::Test {
 protected:
  ModelNotesTest() {
    std::string name = (fs::temp_directory_path() / "lectern-model-notes-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    file_ = std::make_shared<KeptModelFile>(folder_ / "models.jsonl", [this](Task task) {
      ++tries_;
      task();
    });
    on_loop([&] {
      notes_ = std::make_unique<ModelNotes>(loop_, store_);
      notes_->when_noted([this] { ++noted_; });
    });
  }
  ~ModelNotesTest() override {
    on_loop([&] { notes_.reset(); });
    fs::remove_all(folder_);
  }
  void on_loop(const std::function<void()>& what) {
    std::promise<void> done;
    loop_.post([&] {
      what();
      done.set_value();
    });
    done.get_future().get();
  }
  void open(const std::string& id) {
    on_loop([&] {
      const auto opened = store_.open(id, "jupyter.widget", R"({"state":{"value":1}})", {}, "cell-" + id, 7);
      ASSERT_TRUE(opened.has_value());
      notes_->changed(*opened);
    });
  }
  [[nodiscard]] std::vector<std::string> kept() const {
    std::vector<std::string> out;
    for (const auto& model : kept_models_from(read_small(path())).value_or(std::vector<KeptModel>{})) {
      out.push_back(model.id);
    }
    return out;
  }
  /// False when it does not become so within a minute.
  static bool until(const std::function<bool()>& so) {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
         std::chrono::steady_clock::now() < end;) {
      if (so()) return true;
      std::this_thread::yield();
    }
    return false;
  }
  [[nodiscard]] fs::path path() const { return folder_ / "models.jsonl"; }
  /// Nothing can be written from now on, as on a full disk.
  void fill() const {
    fs::remove(path());
    fs::create_directory(path());
  }

  fs::path folder_;
  std::atomic<int> tries_{0}, noted_{0};
  Loop loop_{"session"};
  ModelStore store_;
  std::shared_ptr<KeptModelFile> file_;
  std::unique_ptr<ModelNotes> notes_;
};

TEST_F(ModelNotesTest, WhatComesIsNotedSoonAndThatIsTold) {
  open("a");
  on_loop([&] {
    notes_->into(file_);
    EXPECT_FALSE(notes_->noted());
  });
  EXPECT_TRUE(until([&] { return noted_ == 1; }));
  EXPECT_THAT(kept(), ElementsAre("a"));
  open("b");
  on_loop([&] { EXPECT_TRUE(!notes_->noted() || noted_ == 2); });
  EXPECT_TRUE(until([&] { return noted_ == 2; }));
  EXPECT_THAT(kept(), ElementsAre("a", "b"));
  on_loop([&] { EXPECT_TRUE(notes_->noted()); });
}

TEST_F(ModelNotesTest, OnAFullDiskItIsTriedSeldomAndAgainByItself) {
  on_loop([&] { notes_->into(file_); });
  open("first");
  ASSERT_TRUE(until([&] { return kept().size() == 1; }));
  fill();
  ::testing::internal::CaptureStderr();
  const auto began = std::chrono::steady_clock::now();
  tries_ = 0;
  for (int i = 0; i < 60; ++i) {
    open(std::to_string(i));
    std::promise<void> passed;  // a turn that a write could be in
    Timer timer(loop_);
    on_loop([&] { timer.start(std::chrono::milliseconds(12), [&] { passed.set_value(); }); });
    passed.get_future().get();
  }
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
  EXPECT_LE(tries_, 2 + seconds) << "sixty widgets in " << seconds << " s";
  ASSERT_TRUE(until([&] { return tries_ >= 2; })) << "by itself";
  on_loop([&] { EXPECT_FALSE(notes_->noted()); });
  fs::remove(path());
  EXPECT_TRUE(until([&] { return kept().size() == 61; })) << "though nothing came any more";
  on_loop([&] { EXPECT_TRUE(notes_->noted()); });
  const auto log = ::testing::internal::GetCapturedStderr();
  const auto count = [&](std::string_view words) {
    int out = 0;
    for (auto at = log.find(words); at != std::string::npos; at = log.find(words, at + 1)) ++out;
    return out;
  };
  EXPECT_EQ(count("cannot write"), 1) << log;
  EXPECT_EQ(count("can be written again"), 1) << log;
}

TEST_F(ModelNotesTest, OneOfWhichTheMakerAloneIsKnownStaysSoUntilItIsOpenedOrGone) {
  on_loop([&] {
    notes_->into(file_);
    for (const auto* id : {"made", "gone"}) {
      ModelEvent maker;
      maker.model_id = id;
      maker.cell_id = "cell";
      maker.execution = 5;
      notes_->values_unknown(std::move(maker));
    }
  });
  open("other");
  ASSERT_TRUE(until([&] { return kept().size() == 3; }));
  EXPECT_THAT(kept(), ElementsAre("gone", "made", "other"));
  on_loop([&] { notes_->forget("gone"); });
  ASSERT_TRUE(until([&] { return kept().size() == 2; }));
  open("made");
  ASSERT_TRUE(until([&] {
    const auto models = kept_models_from(read_small(path()));
    return models && models->size() == 2 && !models->back().data.empty() && models->back().id == "made";
  }));
}

TEST_F(ModelNotesTest, OfMoreThanAStoreTakesThoseThatItHasNotGotAreNotAllNoted) {
  on_loop([&] {
    notes_->into(file_);
    for (std::size_t i = 0; i <= ModelLimits{}.models; ++i) {
      ModelEvent maker;
      maker.model_id = std::to_string(i);
      notes_->values_unknown(std::move(maker));
    }
  });
  ASSERT_TRUE(until([&] { return kept().size() == ModelLimits{}.models; }));
  on_loop([&] { EXPECT_FALSE(notes_->noted()); });
}

TEST_F(ModelNotesTest, OneThatTheStoreHasNotGotCostsALineNotTheWholeFile) {
  open("a");
  on_loop([&] { notes_->into(file_); });
  ASSERT_TRUE(until([&] { return noted_ == 1; }));
  std::ofstream(path(), std::ios::app) << R"({"bare":true,"model_id":"by somebody else","revision":1})" << '\n';
  on_loop([&] {
    ModelEvent maker;
    maker.model_id = "refused";
    maker.cell_id = "cell";
    maker.execution = 5;
    notes_->values_unknown(std::move(maker));
  });
  ASSERT_TRUE(until([&] { return noted_ == 2; }));
  EXPECT_THAT(kept(), ElementsAre("a", "by somebody else", "refused"));
}

}  // namespace
}  // namespace lectern::runtime
