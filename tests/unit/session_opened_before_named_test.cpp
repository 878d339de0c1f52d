// The order of models and the outputs that name them: as a rule on its own, and in what a joiner is told.
#include "session/opened_before_named.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "runtime/widget_view.hpp"
#include "session/replay.hpp"

namespace lectern::session::testing {
namespace {

using What = ModelTold::What;
using Ids = std::vector<std::string>;

ModelTold opened(std::string id) {
  return {What::opened, std::move(id)};
}
ModelTold named(std::string id) {
  return {What::named, std::move(id)};
}

TEST(OpenedBeforeNamed, EveryPermutationIsJudgedByTheFirstOfEachKind) {
  // "gone" is named and never opened, "idle" is opened and never named, "twice" is named twice.
  const std::vector<ModelTold> steps{opened("a"),    named("a"),    opened("twice"), named("twice"),
                                     named("twice"), named("gone"), opened("idle")};
  std::vector<std::size_t> order(steps.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::size_t in_order = 0;
  do {
    std::vector<ModelTold> told;
    std::map<std::string, std::size_t> first_opened, first_named;
    for (const auto step : order) {
      (steps[step].what == What::opened ? first_opened : first_named).try_emplace(steps[step].model_id, told.size());
      told.push_back(steps[step]);
    }
    Ids expected;
    for (const auto& id : {"a", "twice"}) {
      if (first_named[id] < first_opened[id]) expected.emplace_back(id);
    }
    in_order += expected.empty() ? 1 : 0;
    ASSERT_EQ(opened_before_named(told, {}, [](const std::string& id) { return id != "gone"; }), expected);
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(in_order, 5040u / 6) << "one of two for a, one of three for twice";
}

TEST(OpenedBeforeNamed, WhatIsKnownNeedsNoOpenAndWhatThereNeverWasBreaksNothing) {
  const auto all = [](const std::string&) { return true; };
  const auto none = [](const std::string&) { return false; };
  const std::vector<ModelTold> told{named("m")}, late{named("m"), opened("m")};
  EXPECT_EQ(opened_before_named(told, {}, all), Ids{"m"});
  EXPECT_EQ(opened_before_named(told, Ids{"m"}, all), Ids{});
  EXPECT_EQ(opened_before_named(told, {}, none), Ids{});
  EXPECT_EQ(opened_before_named(late, {}, none), Ids{"m"}) << "it is opened, and too late";
  EXPECT_EQ(opened_before_named(late, Ids{"m"}, all), Ids{}) << "another of the same id";
}

TEST(OpenedBeforeNamed, OfAnOutputTheModelThatItShows) {
  const auto view = [](const std::string& value) {
    return R"({"output_type":"display_data","metadata":{},"data":{"text/plain":"x",)"
           R"("application/vnd.jupyter.widget-view+json":)" +
           value + "}}";
  };
  EXPECT_EQ(runtime::model_named_by(view(R"({"version_major":2,"model_id":"m\u0031"})")), "m1");
  EXPECT_EQ(runtime::model_named_by(R"({"text":"application/vnd.jupyter.widget-view+json"})"), "");
  for (const auto* odd :
       {"{}", "[]", "null", R"("model_id")", R"({"model_id":1})", R"({"model_id":{"model_id":"m"}})"}) {
    EXPECT_EQ(runtime::model_named_by(view(odd)), "") << odd;
  }
}

class ReplayOrder : public ::testing::Test {
 protected:
  static MessagePtr open() { return event_message(Op::model_lifecycle, "{}"); }
  static runtime::CellView cell(const std::string& model) {
    runtime::CellView view;
    view.cell_id = "c";
    const auto output =
        R"({"output_type":"display_data","data":{"application/vnd.jupyter.widget-view+json":{"model_id":")" + model +
        R"("}}})";
    view.outputs = runtime::OutputsView(std::vector{std::make_shared<const std::string>(output)});
    return view;
  }
  Ids play(bool snapshot = true) {
    Ids broken;
    if (snapshot) {
      replay_.is_snapshot(
          {[](const std::string& id) { return id != "never"; }, [&](const std::string& id) { broken.push_back(id); }});
    }
    while (replay_.next()) {
    }
    return broken;
  }
  Replay replay_;
};

TEST_F(ReplayOrder, ModelsFirstIsInOrder) {
  replay_.add_opening(open(), {"a"});
  replay_.add_opening(open(), {"b", "c"});
  for (const auto* id : {"a", "c", "never", "a"}) replay_.add(cell(id));
  EXPECT_EQ(play(), Ids{});
}

TEST_F(ReplayOrder, AModelThatComesTooLateOrNotAtAllIsFound) {
  replay_.add(cell("late"));
  replay_.add(cell("missing"));
  replay_.add(cell("never"));
  replay_.add_opening(open(), {"late"});
  EXPECT_EQ(play(), (Ids{"late", "missing"}));
}

TEST_F(ReplayOrder, AGapIsAsEverybodyWasToldIt) {
  replay_.add(cell("known"));
  EXPECT_EQ(play(false), Ids{});
}

}  // namespace
}  // namespace lectern::session::testing
