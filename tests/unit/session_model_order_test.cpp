// `open` before any output that names the model, for viewers who come late, take over, are cut off and come back, or
// are too slow, whatever happens meanwhile: random runs of it all on one session.
#include <algorithm>
#include <random>

#include "session/live_session.hpp"
#include "session/opened_before_named.hpp"
#include "session/running.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

/// What one viewer was told, from its frames: cut into what follows one snapshot each. Only models go into it.
class Heard {
 public:
  void take(const std::vector<Received>& frames) {
    for (const auto& one : frames) {
      if (one.op == "kernel-ready" && text_of(one.data, "replay") == "snapshot") parts_.emplace_back();
      if (one.op == "kernel-ready") ++(text_of(one.data, "replay") == "gap" ? gaps : snapshots);
      if (one.op == "resync") ++resyncs;
      if (one.op == "model-lifecycle" && text_of(at(one.data, {"message"}), "method") == "open") {
        parts_.back().push_back({ModelTold::What::opened, text_of(one.data, "model_id")});
      }
      if (one.op == "cell-op") named_in(at(one.data, {"outputs"}));
    }
  }
  std::vector<std::string> out_of_order(const std::function<bool(const std::string&)>& exists) const {
    std::vector<std::string> out;
    for (const auto& part : parts_) {
      for (auto& id : opened_before_named(part, {}, exists)) out.push_back(std::move(id));
    }
    return out;
  }
  std::size_t gaps = 0, snapshots = 0, resyncs = 0;

 private:
  void named_in(const json::Value& ops) {
    for (const auto& op : *ops.as_array()) {
      const auto id = text_of(at(op, {"output", "data", "application/vnd.jupyter.widget-view+json"}), "model_id");
      if (!id.empty()) parts_.back().push_back({ModelTold::What::named, id});
    }
  }
  std::vector<std::vector<ModelTold>> parts_;
};

class SessionModelOrderTest : public SessionTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  struct Viewer {
    std::unique_ptr<Tab> tab;
    std::string key;
    Heard heard;
    bool reads = true;
  };

  Running& running() { return static_cast<LiveSession&>(*session_).running(); }
  void on_session(const std::function<void()>& work) { test::on_loop(session_->loop(), work); }
  std::size_t below(std::size_t limit) { return random_() % limit; }

  // -- the kernel
  void open(const std::string& id) {
    on_session([&] {
      const auto event = running().runtime().model_store().open(id, "jupyter.widget", R"({"state":{"v":1}})", {}, "a");
      ASSERT_TRUE(event);
      running().on_model(*event);
    });
  }
  void close(const std::string& id) {
    on_session([&] {
      for (const auto& event : running().runtime().model_store().close(id)) running().on_model(event);
    });
  }
  void output(const std::string& media_type, const std::string& value) {
    on_session([&] {
      auto& runtime = running().runtime();
      ASSERT_TRUE(runtime.outputs().add(
          "a", R"({"output_type":"display_data","metadata":{},"data":{")" + media_type + "\":" + value + "}}", ""));
      runtime.clear_outputs({"none"});  // told now
    });
  }
  void show(const std::string& id) {
    output("application/vnd.jupyter.widget-view+json",
           R"({"version_major":2,"version_minor":0,"model_id":")" + id + "\"}");
  }
  void flood() {
    for (int i = 0; i < 8; ++i) output("text/plain", "\"" + std::string(30'000, 'f') + "\"");
    on_session([&] { running().runtime().clear_outputs({"a"}); });
  }
  void kernel_does_something() {
    switch (below(9)) {
      case 0:
      case 1:
      case 2:
        open_.push_back("m" + std::to_string(++made_));
        open(open_.back());
        if (below(2) == 0) show(open_.back());
        return;
      case 3:
      case 4:
        if (!open_.empty()) show(open_[below(open_.size())]);
        return;
      case 5:
        return show("never" + std::to_string(below(5)));
      case 6:
        if (open_.empty()) return;
        std::swap(open_[below(open_.size())], open_.back());
        closed_.insert(open_.back());
        close(open_.back());
        open_.pop_back();
        return;
      case 7:
        if (!closed_.empty()) show(*closed_.begin());
        return;
      case 8:
        if (below(8) == 0) on_session([&] { running().runtime().clear_outputs({"a"}); });
        return;
    }
  }

  // -- the viewers
  void join(Viewer& viewer, const std::string& resume = {}) {
    Tab::How how(resume.empty() ? "{}" : R"({"resume":")" + resume + "\"}");
    how.key = viewer.key;
    viewer.tab = tab(how);
    const auto ready = viewer.tab->await("kernel-ready");
    if (viewer.key.empty()) viewer.key = Tab::key_of(ready);
    viewer.reads = true;
  }
  /// Where a client goes on from: nowhere, when a snapshot was under way.
  static std::string resume_from(const std::vector<Received>& frames) {
    std::string stream;
    std::uint64_t seq = 0;
    bool whole = false;
    for (const auto& one : frames) {
      if (one.op == "kernel-ready") stream = text_of(one.data, "stream");
      if (one.op == "kernel-ready" || one.op == "resync") whole = false;
      if (one.op == "replay-complete") whole = true;
      if (one.op == "kernel-ready" || one.op == "replay-complete") seq = number_of(one.data, "seq");
      if (one.seq) seq = *one.seq;
    }
    return whole ? stream + "." + std::to_string(seq) : std::string();
  }
  void cut_and_come_back(Viewer& viewer) {
    viewer.tab->cut(false);
    const auto frames = viewer.tab->all();
    viewer.heard.take(frames);
    for (auto i = below(8); i > 0; --i) kernel_does_something();
    join(viewer, resume_from(frames));
  }
  void viewer_does_something(Viewer& viewer) {
    if (viewer.tab->closed()) return cut_and_come_back(viewer);
    switch (below(4)) {
      case 0:
        return cut_and_come_back(viewer);
      case 1:
        viewer.tab->send(R"({"id":"","command":"takeover","body":{}})");
        return;
      case 2:
        if (!std::exchange(viewer.reads, false)) return;
        viewer.tab->stop_reading();
        return flood();
      case 3:
        viewer.reads = true;
        return viewer.tab->read_on();
    }
  }

  std::mt19937 random_{GetParam()};
  std::vector<std::string> open_;
  std::set<std::string> closed_;
  std::size_t made_ = 0;
};

TEST_P(SessionModelOrderTest, EveryViewerHasTheModelBeforeTheOutput) {
  Settings settings;
  settings.queue_bytes = 100'000;
  settings.autosave = false;
  start(settings);
  std::vector<Viewer> viewers(3);
  for (auto& viewer : viewers) join(viewer);
  for (int step = 0; step < 300; ++step) {
    if (below(40) == 0) join(viewers.emplace_back());
    if (below(4) == 0) {
      viewer_does_something(viewers[below(viewers.size())]);
    } else {
      kernel_does_something();
    }
    if (HasFatalFailure()) return;
  }
  // Whatever the dice said, once each: come late, be cut off, be too slow.
  join(viewers.emplace_back());
  auto& slow = viewers.back();
  slow.tab->await("replay-complete");
  cut_and_come_back(slow);
  slow.tab->await("replay-complete");
  slow.tab->stop_reading();
  flood();
  slow.tab->read_on();
  slow.tab->await("resync");
  slow.tab->await("replay-complete");
  Heard all;
  for (auto& viewer : viewers) {
    viewer.tab->read_on();
    viewer.tab->settle();
    viewer.heard.take(viewer.tab->all());
    const auto broken =
        viewer.heard.out_of_order([&](const std::string& id) { return id.starts_with('m') && !closed_.contains(id); });
    EXPECT_EQ(broken, std::vector<std::string>{}) << "viewer " << &viewer - viewers.data();
    all.gaps += viewer.heard.gaps;
    all.snapshots += viewer.heard.snapshots;
    all.resyncs += viewer.heard.resyncs;
  }
  EXPECT_GT(all.gaps, 0u);
  EXPECT_GT(all.resyncs, 0u);
  EXPECT_GT(all.snapshots, all.resyncs);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SessionModelOrderTest, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace lectern::session::testing
