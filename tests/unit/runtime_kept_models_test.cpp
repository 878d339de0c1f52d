// The widget models of a kernel that is kept: written down while it runs, read by the next host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/kept_kernels.hpp"
#include "runtime/kept_models.hpp"
#include "runtime/models.hpp"
#include "runtime/taken_up_models.hpp"

namespace lectern::runtime {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ModelStore widgets() {
  ModelStore store;
  (void)store.open("z-first", "jupyter.widget", R"({"state":{"value":1.50,"raw":null},"buffer_paths":[["raw"]]})",
                   {std::string("\0\n\xff", 3)}, "cell-1", 7);
  (void)store.open("a-second", "my.target", R"({"anything":[1]})", {}, "");
  (void)store.message("z-first", R"({"method":"update","state":{"value":2.50}})", {});
  return store;
}

std::vector<ModelNote> notes(const ModelStore& store) {
  std::vector<ModelNote> out;
  for (auto& open : store.snapshot()) out.push_back({std::move(open)});
  return out;
}

ModelNote gone(const std::string& id) {
  ModelNote note;
  note.event.method = ModelMethod::close;
  note.event.model_id = id;
  return note;
}

std::string text_of(const std::vector<ModelNote>& notes) {
  return *kept_models_text(notes, most_kept_models_bytes);
}

std::vector<std::string> ids(const std::vector<KeptModel>& models) {
  std::vector<std::string> out;
  for (const auto& model : models) out.push_back(model.id);
  return out;
}

class KeptModelsTest : public ::testing::Test {
 protected:
  KeptModelsTest() {
    std::string name = (fs::temp_directory_path() / "lectern-kept-models-XXXXXX").string();
    state_ = ::mkdtemp(name.data());
    kept_.emplace(state_, true, [this](Task task) { held_ ? tasks_.push_back(std::move(task)) : task(); });
    KeptKernel kernel;
    kernel.session_id = "s-1";
    EXPECT_TRUE(kept_->prepare(kernel).has_value());
  }
  ~KeptModelsTest() override {
    kept_.reset();
    fs::remove_all(state_);
  }
  void work() {
    for (held_ = false; !tasks_.empty(); tasks_.pop_front()) tasks_.front()();
  }
  [[nodiscard]] std::vector<KeptModel> kept() const { return kept_->models("s-1").value(); }
  [[nodiscard]] fs::path file() const { return state_ / "kernels/s-1/models.jsonl"; }
  fs::path state_;
  bool held_ = false;  // what workers are to do waits for work()
  std::deque<Task> tasks_;
  std::optional<KeptKernels> kept_;
};

TEST_F(KeptModelsTest, ComeBackAsTheyWere) {
  const auto store = widgets();
  kept_->model_file("s-1")->replace(notes(store));
  struct stat seen {};
  ASSERT_EQ(::stat(file().c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777, 0600u);
  ModelStore next;
  for (auto& model : kept()) {
    const auto opened = next.open(model.id, model.target, model.data, std::move(model.buffers), model.cell_id,
                                  model.execution, model.revision);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
  }
  const auto before = store.snapshot(), after = next.snapshot();
  ASSERT_EQ(after.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(after[i].data(), before[i].data());
  EXPECT_EQ(after[0].revision, 2u);
  ASSERT_NE(next.cell_of_run(7), nullptr);
  EXPECT_EQ(*next.cell_of_run(7), "cell-1");
  EXPECT_EQ(kept().size(), 2u) << "a host that is killed at once leaves them again";
}

TEST_F(KeptModelsTest, LaterLinesReplaceEarlierOnes) {
  auto store = widgets();
  const auto written = kept_->model_file("s-1");
  written->replace(notes(store));
  (void)store.open("third", "jupyter.widget", R"({"state":{"value":1}})", {}, "cell-2", 8);
  written->add({{*store.as_open("third")}});
  (void)store.message("z-first", R"({"method":"update","state":{"value":9}})", {});
  written->add({{*store.as_open("z-first"), true}});
  auto models = kept();
  EXPECT_THAT(ids(models), ElementsAre("z-first", "a-second", "third"));
  EXPECT_NE(models[0].data.find(R"("value":9)"), std::string::npos);
  EXPECT_EQ(models[0].revision, 3u);
  EXPECT_EQ(models[0].buffers, std::vector{std::string("\0\n\xff", 3)});
  written->add({gone("a-second")});
  (void)store.open("z-first", "jupyter.widget", R"({"state":{}})", {}, "cell-2", 9);
  written->add({{*store.as_open("z-first")}});
  EXPECT_THAT(ids(kept()), ElementsAre("third", "z-first"));
}

TEST_F(KeptModelsTest, AreWrittenInTheirOrderHoweverLateTheWorkersAre) {
  const auto store = widgets();
  const auto written = kept_->model_file("s-1");
  EXPECT_FALSE(written->state().whole);
  held_ = true;
  written->add(notes(store));  // nothing: what is there is not known to be whole
  written->replace({{*store.as_open("z-first")}});
  written->add({{*store.as_open("a-second")}});
  written->add({gone("z-first")});
  EXPECT_TRUE(written->state().busy);
  EXPECT_EQ(tasks_.size(), 1u);
  work();
  EXPECT_FALSE(written->state().busy);
  EXPECT_TRUE(written->state().whole);
  EXPECT_THAT(ids(kept()), ElementsAre("a-second"));
}

TEST_F(KeptModelsTest, NothingIsWrittenOfAKernelThatIsForgotten) {
  const auto written = kept_->model_file("s-1");
  held_ = true;
  written->replace(notes(widgets()));
  kept_->forget("s-1");
  std::swap(tasks_.front(), tasks_.back());  // workers keep no order
  work();
  EXPECT_FALSE(fs::exists(file()));
  EXPECT_NE(kept_->model_file("s-1"), written);
}

TEST_F(KeptModelsTest, WhatIsDamagedIsNotBroughtBackInPart) {
  const auto text = text_of(notes(widgets()));
  EXPECT_EQ(kept_models_from(text)->size(), 2u);
  EXPECT_THAT(ids(*kept_models_from(text.substr(0, text.size() - 5))), ElementsAre("z-first"))
      << "the last line was being written when its host was killed";
  EXPECT_FALSE(kept_models_from("{}\n" + text));
  EXPECT_FALSE(kept_models_from(R"({"model_id":"a","revision":1,"message":{},"buffers":["?"]})"
                                "\n"));
  std::ofstream(file()) << "{}\n" << text;
  KeptKernel found;
  found.session_id = "s-1";
  found.running = {5, "run-5", "cell", "ann", std::nullopt};
  found.running->models_noted = true;
  EXPECT_TRUE(kept_->note_run("s-1", found.running));
  kept_->add_models(found);
  EXPECT_TRUE(found.models.empty());
  EXPECT_FALSE(found.running->models_noted) << "whatever is not written down may be older than the run";
  ASSERT_TRUE(kept_->find("s-1")->running.has_value());
  EXPECT_FALSE(kept_->find("s-1")->running->models_noted) << "for a host that is killed before it knows more";
}

TEST_F(KeptModelsTest, OfOneThatHasMoreInItThanIsReadItsMakerIsKnownAndTheOthersAreBroughtBack) {
  ModelStore store;
  for (const auto* id : {"first", "last"})
    (void)store.open(id, "jupyter.widget", R"({"state":{"value":1}})", {}, "c", 7);
  auto lines = notes(store);
  std::string values(2'000'000, '0');
  for (std::size_t i = 1; i < values.size(); i += 2) values[i] = ',';
  const auto large = R"({"execution":8,"model_id":"large","revision":3,"cell_id":"cell-2","message":{"state":{"a":[)" +
                     values + "0]}},\"buffers\":[]}\n";
  const auto text = text_of({lines[0]}) + large + text_of({lines[1]});
  ::testing::internal::CaptureStderr();
  const auto models = kept_models_from(text);
  const auto log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(models);
  EXPECT_THAT(ids(*models), ElementsAre("first", "large", "last"));
  EXPECT_TRUE((*models)[1].data.empty());
  EXPECT_EQ((*models)[1].cell_id, "cell-2");
  EXPECT_EQ((*models)[1].execution, 8u);
  EXPECT_FALSE((*models)[2].data.empty());
  EXPECT_NE(log.find("the widget large "), std::string::npos) << log;
}

TEST_F(KeptModelsTest, OfTooMuchTheMakersAreWrittenDown) {
  ModelStore large;
  for (const auto* id : {"a", "b"}) {
    (void)large.open(id, "jupyter.widget", R"({"state":{"raw":null},"buffer_paths":[["raw"]]})",
                     {std::string(most_kept_models_bytes / 2, 'x')}, "cell-" + std::string(id), 7);
  }
  const auto written = kept_->model_file("s-1");
  written->replace(notes(large));
  EXPECT_LT(fs::file_size(file()), 1'000u);
  EXPECT_TRUE(written->state().bare);
  EXPECT_TRUE(written->state().whole);
  written->add(notes(widgets()));
  written->add({gone("a")});
  auto models = kept();
  EXPECT_THAT(ids(models), ElementsAre("b", "z-first", "a-second"));
  for (const auto& model : models) EXPECT_TRUE(model.data.empty()) << "half of a page";
  EXPECT_EQ(models[0].cell_id, "cell-b");
  EXPECT_EQ(models[0].execution, 7u);
  written->replace(notes(widgets()));
  EXPECT_FALSE(written->state().bare);
  models = kept();
  EXPECT_EQ(models.size(), 2u);
  EXPECT_FALSE(models[0].data.empty());
}

TEST_F(KeptModelsTest, AFileThatIsMuchLongerThanWhatItSaysIsToBeWrittenAnew) {
  const auto store = widgets();
  const auto written = kept_->model_file("s-1");
  written->replace(notes(store));
  ModelStore large;
  (void)large.open("l", "jupyter.widget", R"({"state":{"raw":null},"buffer_paths":[["raw"]]})",
                   {std::string(std::size_t{1} << 20, 'x')}, "");
  int lines = 0;
  for (; lines < 10 && written->state().whole; ++lines) written->add({{*large.as_open("l"), true}});
  EXPECT_LT(lines, 10);
  const auto before = fs::file_size(file());
  written->add({gone("l")});
  EXPECT_EQ(fs::file_size(file()), before);
  written->replace(notes(store));
  EXPECT_LT(fs::file_size(file()), 1'000u);
  EXPECT_TRUE(written->state().whole);
}

TEST(TakenUpModelsTest, NoMoreAreAskedForThanAStoreTakes) {
  const auto most = ModelLimits{}.models;
  std::vector<std::pair<std::string, std::string>> comms;
  for (std::size_t i = 0; i <= most; ++i) comms.emplace_back("m" + std::to_string(i), "jupyter.widget");
  TakenUpModels models;
  const auto difference = models.compare(comms, [](const auto&) { return false; });
  EXPECT_EQ(difference.found.size(), most);
  EXPECT_TRUE(difference.too_many);
  comms.pop_back();
  TakenUpModels others;
  EXPECT_FALSE(others.compare(comms, [](const auto&) { return false; }).too_many);
}

TEST(TakenUpModelsTest, TellWhatIsGoneAndWhatIsFoundOnce) {
  TakenUpModels models;
  EXPECT_FALSE(models.to_ask().has_value());
  EXPECT_TRUE(models.settled()) << "a kernel of our own";
  models.begin();
  for (const auto* id : {"stays", "closed", "opened anew"}) models.brought_back(id, id != std::string("closed"));
  EXPECT_THAT(models.to_ask().value(), ElementsAre("stays", "opened anew"));
  EXPECT_FALSE(models.to_ask().has_value());
  EXPECT_FALSE(models.settled());
  models.heard_of("opened anew");  // after what the kernel is about to say
  const auto has = [](const std::string& id) { return id == "stays" || id == "mine"; };
  const auto changed = models.compare({{"stays", "jupyter.widget"},
                                       {"z-new", "jupyter.widget"},
                                       {"a-new", "jupyter.widget"},
                                       {"mine", "jupyter.widget"},
                                       {"control", "jupyter.widget.control"}},
                                      has);
  EXPECT_THAT(changed.gone, ElementsAre("closed"));
  EXPECT_THAT(changed.found, ElementsAre("z-new", "a-new"));
  EXPECT_TRUE(models.awaited("a-new"));
  models.heard_of("a-new");
  EXPECT_FALSE(models.awaited("a-new"));
  EXPECT_FALSE(models.settled());
  models.heard_of("z-new");
  EXPECT_TRUE(models.settled());
  models.forget();
  EXPECT_FALSE(models.awaited("closed"));
  EXPECT_THAT(models.compare({}, has).gone, IsEmpty());
}

TEST(TakenUpModelsTest, OneOfWhichTheMakerAloneIsKnownIsAskedForAndItsRunHasItsCell) {
  TakenUpModels models;
  EXPECT_TRUE(models.all_known()) << "no earlier host had any";
  models.begin();
  models.made_by("there", 7, "cell-7");
  models.made_by("closed", 8, "cell-8");
  ASSERT_NE(models.cell_of_run(7), nullptr);
  EXPECT_EQ(*models.cell_of_run(7), "cell-7");
  EXPECT_EQ(models.cell_of_run(9), nullptr);
  EXPECT_THAT(models.to_ask().value(), IsEmpty());
  EXPECT_FALSE(models.all_known());
  const auto changed = models.compare({{"there", "jupyter.widget"}}, [](const auto&) { return false; });
  EXPECT_THAT(changed.gone, ElementsAre("closed"));
  EXPECT_THAT(changed.found, ElementsAre("there"));
  EXPECT_FALSE(models.all_known());
  models.heard_of("there");
  EXPECT_TRUE(models.all_known());
}

TEST(TakenUpModelsTest, OfAKernelThatCannotSayNotAllIsKnown) {
  TakenUpModels models;
  models.begin();
  models.cannot_say();
  EXPECT_TRUE(models.settled());
  EXPECT_FALSE(models.all_known());
}

}  // namespace
}  // namespace lectern::runtime
