// Real kernels through the real plugin.
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "runtime_support.hpp"

namespace lectern::runtime::testing {
namespace {

using namespace std::chrono_literals;

/// False for a process that is gone, or is dead and waits for whoever took it over to notice.
bool runs(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  return std::getline(in, line) && line.find(") Z ") == std::string::npos;
}

TEST_F(KernelTest, RunsACellAndShowsItsValue) {
  start();
  const auto cell = run("a", "1 + 41");
  EXPECT_EQ(cell.statuses, (std::vector<std::string>{"queued", "running", "idle"}));
  EXPECT_EQ(cell.count, 1);
  EXPECT_EQ(cell.mime(0, "text/plain"), "42");
  EXPECT_NE(viewer_.info_.find("\"language_info\""), std::string::npos);
  EXPECT_EQ(viewer_.states_.front(), "starting");
}

TEST_F(KernelTest, StreamsKeepTheirOrderAndMerge) {
  start();
  const auto cell = run("a",
                        "import sys\nprint('one')\nprint('two')\nsys.stdout.flush()\n"
                        "print('bad', file=sys.stderr)\nsys.stderr.flush()\nprint('three')\n'end'");
  ASSERT_EQ(cell.outputs.size(), 4u);
  EXPECT_EQ(cell.text(0), "one\ntwo\n");
  EXPECT_EQ(cell.text(1, "name"), "stderr");
  EXPECT_EQ(cell.text(2), "three\n");
  EXPECT_EQ(cell.mime(3, "text/plain"), "'end'");
}

TEST_F(KernelTest, AnErrorHasItsColoursAndStopsItsBatch) {
  start();
  const auto queued = on_loop([&] {
    return runtime_->execute({{"a", "x = 1"}, {"b", "1/0"}, {"c", "print('never')"}}, "me");
  });
  ASSERT_EQ(queued->size(), 3u);
  ASSERT_TRUE(viewer_.wait_status("c", "cancelled"));
  EXPECT_EQ(viewer_.cell("a").status, "idle");
  const auto failed = viewer_.cell("b");
  EXPECT_EQ(failed.status, "error");
  EXPECT_EQ(failed.text(0, "ename"), "ZeroDivisionError");
  const auto& traceback = *failed.outputs.at(0).find("traceback")->as_array();
  EXPECT_NE(traceback.front().as_string()->find("\x1b["), std::string::npos) << "colours are part of the traceback";
  EXPECT_TRUE(viewer_.cell("c").outputs.empty());
  EXPECT_EQ(run("d", "x").mime(0, "text/plain"), "1") << "the next batch runs";
}

TEST_F(KernelTest, DisplayUpdatesReachEveryCellThatShowsThem) {
  start();
  run("a", "from IPython.display import display, clear_output\nh = display('first', display_id='d1')");
  run("b", "display('first', display_id='d1');");
  run("c", "from IPython.display import update_display\nupdate_display('second', display_id='d1')");
  EXPECT_EQ(viewer_.cell("a").mime(0, "text/plain"), "'second'");
  EXPECT_EQ(viewer_.cell("b").mime(0, "text/plain"), "'second'");
  EXPECT_TRUE(viewer_.cell("c").outputs.empty());
  EXPECT_EQ(on_loop([&] { return viewer_.told_.back(); }), "c") << "the end of the run is told last";
}

TEST_F(KernelTest, ClearOutputWaitsForTheNextOne) {
  start();
  auto cell = run("a", "from IPython.display import clear_output\nprint('old')\nclear_output(wait=True)\nprint('new')");
  ASSERT_EQ(cell.outputs.size(), 1u);
  EXPECT_EQ(cell.text(0), "new\n");
  cell = run("a", "print('old')\nclear_output(wait=True)");
  EXPECT_EQ(cell.text(0), "old\n") << "nothing came after it";
  EXPECT_TRUE(run("a", "print('old')\nclear_output()").outputs.empty());
}

TEST_F(KernelTest, AsksForInputAndGoesOnWithTheFirstAnswer) {
  start();
  execute("a", "name = input('who? ')\nprint('hello', name)");
  ASSERT_TRUE(viewer_.wait([&] { return !viewer_.input_id_.empty(); }));
  EXPECT_NE(viewer_.input_data_.find(R"("prompt":"who? ","password":false,"cell_id":"a")"), std::string::npos)
      << viewer_.input_data_;
  EXPECT_EQ(on_loop([&] { return runtime_->open_inputs().size(); }), 1u) << "a joiner is asked too";
  const auto id = viewer_.input_id_;
  EXPECT_TRUE(on_loop([&] { return runtime_->input(id, "Ada"); }).has_value());
  const auto second = on_loop([&] { return runtime_->input(id, "Eve"); });
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, "request_not_found");
  ASSERT_TRUE(viewer_.wait_status("a", "idle"));
  EXPECT_EQ(viewer_.cell("a").text(0), "hello Ada\n");
  EXPECT_EQ(on_loop([&] { return runtime_->open_inputs().size(); }), 0u);
}

TEST_F(KernelTest, InterruptStopsWhatRunsAndCancelsTheRest) {
  start();
  (void)on_loop([&] {
    return runtime_->execute({{"a", "import time\nprint('in', flush=True)\ntime.sleep(60)"}, {"b", "1"}}, "me");
  });
  ASSERT_TRUE(viewer_.wait([&] { return !viewer_.cells_["a"].outputs.empty(); }));
  EXPECT_TRUE(on_loop([&] { return runtime_->interrupt(); }).has_value());
  ASSERT_TRUE(viewer_.wait_status("a", "error"));
  EXPECT_EQ(viewer_.cell("a").text(1, "ename"), "KeyboardInterrupt");
  EXPECT_EQ(viewer_.cell("b").status, "cancelled");
  EXPECT_EQ(viewer_.cell("b").reason, "interrupted");
  EXPECT_EQ(run("c", "2").mime(0, "text/plain"), "2");
}

TEST_F(KernelTest, ADeadKernelIsNoticedByItselfAndCanBeRestarted) {
  start();
  const auto pid = std::stoi(run("a", "import os\nos.getpid()").mime(0, "text/plain"));
  execute("b", "import time\ntime.sleep(60)");
  ASSERT_TRUE(viewer_.wait_status("b", "running"));
  (void)on_loop([&] { return runtime_->execute({{"c", "1"}}, "me"); });
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_TRUE(viewer_.wait([&] { return viewer_.states_.back() == "dead"; }));
  EXPECT_NE(viewer_.error_.find("signal 9"), std::string::npos) << viewer_.error_;
  EXPECT_EQ(viewer_.cell("b").status, "error");
  EXPECT_EQ(viewer_.cell("b").text(0, "ename"), "KernelDied");
  EXPECT_EQ(viewer_.cell("c").status, "cancelled");
  const auto refused = on_loop([&] { return runtime_->execute({{"d", "1"}}, "me"); });
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "no_kernel");

  ASSERT_TRUE(on_loop([&] { return runtime_->restart(); }).has_value());
  ASSERT_TRUE(viewer_.wait([&] { return viewer_.states_.back() == "idle"; }));
  EXPECT_EQ(run("e", "40 + 2").mime(0, "text/plain"), "42");
}

TEST_F(KernelTest, RestartForgetsVariablesAndEndsTheOldProcess) {
  start();
  const auto pid = std::stoi(
      run("a", "import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])\nos.getpid()").mime(0, "text/plain"));
  const auto child = std::stoi(run("b", "child.pid").mime(0, "text/plain"));
  execute("late", "import time\ntime.sleep(60)");
  std::promise<Result<std::string>> asked;
  ASSERT_TRUE(on_loop([&] {
                const auto restarted = runtime_->restart();
                runtime_->request("complete", R"({"code":"o","cursor_pos":1})", 5'000,
                                  [&](Result<std::string> answer) { asked.set_value(std::move(answer)); });
                return restarted;
              }).has_value());
  const auto unanswered = asked.get_future().get();
  ASSERT_FALSE(unanswered.has_value());
  EXPECT_EQ(unanswered.error().code, "no_kernel") << "what is asked of a kernel that ends is refused at once";
  EXPECT_EQ(viewer_.cell("late").text(0, "ename"), "KernelRestarted");
  EXPECT_EQ(run("c", "child").text(0, "ename"), "NameError");
  EXPECT_EQ(viewer_.cell("c").count, 1);
  for (const auto& output : viewer_.cell("late").outputs) {
    EXPECT_EQ(*output.find("output_type")->as_string(), "error") << "what a new kernel says at its start is no cell's";
  }
  EXPECT_NE(::kill(pid, 0), 0) << "the old process is gone and reaped";
  EXPECT_FALSE(runs(child)) << "and so is what it had started";
}

// While the old process ends it goes on: its run comes to its end, its threads print, its handlers of the end run.
TEST_F(KernelTest, WhatAKernelSaysWhileItIsRestartedStaysOutOfTheRunsOfTheNext) {
  start();
  execute("a", R"(import atexit, threading, time
def talk():
    while True:
        print('old', flush=True)
        time.sleep(0.002)
atexit.register(time.sleep, 0.2)
threading.Thread(target=talk, daemon=True).start()
time.sleep(0.05))");
  ASSERT_TRUE(viewer_.wait([&] { return !viewer_.cells_["a"].outputs.empty(); }));
  ASSERT_TRUE(on_loop([&] {
                const auto restarted = runtime_->restart();
                (void)runtime_->execute({{"a", "print('new')"}}, "me");
                return restarted;
              }).has_value());
  ASSERT_TRUE(viewer_.wait_status("a", "idle"));
  const auto cell = viewer_.cell("a");
  ASSERT_EQ(cell.outputs.size(), 1u);
  EXPECT_EQ(cell.text(0), "new\n");
  EXPECT_EQ(cell.count, 1);
  const auto states = on_loop([&] { return viewer_.states_; });
  const auto restarting = std::find(states.begin(), states.end(), "restarting");
  ASSERT_GE(states.end() - restarting, 2);
  EXPECT_EQ(*(restarting + 1), "starting") << "what the old process does is no state of the new one";
}

TEST_F(KernelTest, AKernelThatIsRestartedLeavesNoQuestionAndNoModelBehind) {
  start();
  execute("a", R"(import time, ipywidgets
from IPython.display import clear_output
print('in', flush=True)
time.sleep(0.05)
slider = ipywidgets.IntSlider()
clear_output()
input('who? '))");
  ASSERT_TRUE(viewer_.wait([&] { return !viewer_.cells_["a"].outputs.empty(); }));
  ASSERT_TRUE(on_loop([&] { return runtime_->restart(); }).has_value());
  EXPECT_EQ(run("b", "40 + 2").mime(0, "text/plain"), "42");
  EXPECT_EQ(on_loop([&] { return runtime_->open_inputs().size(); }), 0u);
  EXPECT_EQ(on_loop([&] { return runtime_->models().size(); }), 0u);
  const auto cell = viewer_.cell("a");
  EXPECT_EQ(cell.text(cell.outputs.size() - 1, "ename"), "KernelRestarted");
}

TEST_F(KernelTest, ShutdownLeavesNoProcessAndNoConnectionFile) {
  start();
  const auto pid = std::stoi(run("a", "import os\nos.getpid()").mime(0, "text/plain"));
  const auto run_folder = folder_.path() / "run";
  ASSERT_FALSE(fs::is_empty(run_folder));
  for (const auto& file : fs::directory_iterator(run_folder)) {
    EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write) << "it holds the key";
  }
  ASSERT_TRUE(on_loop([&] { return runtime_->shutdown(); }).has_value());
  ASSERT_TRUE(viewer_.wait([&] { return viewer_.states_.back() == "none"; }));
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_TRUE(fs::is_empty(run_folder));
  EXPECT_FALSE(on_loop([&] { return runtime_->restart(); }).has_value());
}

TEST_F(KernelTest, AKernelThatCannotStartSaysWhy) {
  const auto spec = folder_.path() / "data/kernels/broken";
  fs::create_directories(spec);
  std::ofstream(spec / "kernel.json")
      << R"({"argv":["/bin/sh","-c","echo no such module >&2; exit 3"],"display_name":"Broken","language":"sh"})";
  ::setenv("JUPYTER_PATH", (folder_.path() / "data").c_str(), 1);
  start("broken");
  ASSERT_TRUE(viewer_.wait([&] { return viewer_.states_.back() == "dead"; }));
  EXPECT_NE(viewer_.error_.find("exit code 3"), std::string::npos) << viewer_.error_;
  EXPECT_NE(viewer_.error_.find("no such module"), std::string::npos) << viewer_.error_;
}

TEST_F(KernelTest, UnknownRuntimesAreNamedWithTheKnownOnes) {
  std::promise<Result<KernelInfo>> promise;
  on_loop(
      [&] { runtime_->start("pyton3", {}, {}, [&](Result<KernelInfo> info) { promise.set_value(std::move(info)); }); });
  const auto refused = promise.get_future().get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_EQ(refused.error().code, "unknown_runtime");
  EXPECT_NE(refused.error().hint.find("jupyter/python3"), std::string::npos) << refused.error().hint;
  EXPECT_NE(refused.error().details.find("\"jupyter/python3\""), std::string::npos);
  EXPECT_EQ(service_->catalog().resolve("python3")->name, "jupyter/python3");
  EXPECT_EQ(service_->catalog().best("gone", "python")->language, "python");
  EXPECT_FALSE(service_->catalog().best("gone", "fortran").has_value());
}

TEST_F(KernelTest, TenThousandSmallPrintsComeWholeAndInOrder) {
  start();
  const auto cell = run("a", "for i in range(10000): print(i, flush=True)");
  ASSERT_EQ(cell.outputs.size(), 1u);
  std::istringstream lines(cell.text(0));
  std::string line;
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(std::getline(lines, line)) << "it ends before line " << i;
    ASSERT_EQ(line, std::to_string(i));
  }
  EXPECT_FALSE(std::getline(lines, line)) << line;
}

TEST_F(KernelTest, AProgressBarEndsAsOneLine) {
  start();
  const auto cell = run("a",
                        "import sys, time\nfor i in range(101):\n"
                        "    sys.stderr.write('\\r%3d%%|%s|' % (i, '#' * (i // 10) + ' ' * (10 - i // 10)))\n"
                        "    sys.stderr.flush()\n    time.sleep(0.002)\nprint('done', file=sys.stderr)");
  ASSERT_EQ(cell.outputs.size(), 1u);
  EXPECT_EQ(cell.text(0), "100%|##########|done\n");
}

TEST_F(KernelTest, AskedQuestionsAreAnsweredToTheAsker) {
  start();
  run("a", "value = 'abc'");
  std::promise<Result<std::string>> promise;
  on_loop([&] {
    runtime_->request("complete", R"({"code":"value.upp","cursor_pos":9})", 10'000,
                      [&](Result<std::string> reply) { promise.set_value(std::move(reply)); });
  });
  const auto reply = promise.get_future().get();
  ASSERT_TRUE(reply.has_value()) << reply.error().message;
  EXPECT_NE(reply->find("upper"), std::string::npos);
  std::promise<Result<std::string>> late;
  execute("b", "import time\ntime.sleep(1)");
  on_loop([&] {
    runtime_->request("inspect", R"({"code":"value","cursor_pos":2,"detail_level":0})", 50,
                      [&](Result<std::string> answer) { late.set_value(std::move(answer)); });
  });
  EXPECT_EQ(late.get_future().get().error().code, "kernel_timeout");
}

TEST_F(KernelTest, AWidgetOpensBeforeItsOutputAndFollowsItsWriters) {
  start();
  run("a", "import ipywidgets as w\ns = w.IntSlider(value=3)\ns");
  const auto shown = viewer_.cell("a");
  std::string id;
  {
    const auto* view = shown.outputs.at(0).find("data")->find("application/vnd.jupyter.widget-view+json");
    ASSERT_NE(view, nullptr);
    id = *view->find("model_id")->as_string();
  }
  const auto opened = on_loop([&] { return runtime_->models(); });
  EXPECT_GE(opened.size(), 3u) << "slider, layout and style";
  for (const auto& model : opened) EXPECT_EQ(model.cell_id, "a");
  EXPECT_TRUE(on_loop([&] { return runtime_->model_store().has(id); }));

  json::Value message = *json::parse(R"({"method":"update","state":{"value":7},"buffer_paths":[]})");
  const auto revision = write_to(id, message, "client-2");
  ASSERT_TRUE(revision.has_value()) << revision.error().message;
  EXPECT_EQ(viewer_.models_.back().origin, "client-2");
  EXPECT_EQ(viewer_.models_.back().revision, *revision);
  EXPECT_EQ(run("b", "s.value").mime(0, "text/plain"), "7");
  run("c", "s.value = 9");
  ASSERT_TRUE(viewer_.wait([&] {
    const auto& last = viewer_.models_.back();
    return last.model_id == id && last.origin.empty() && last.message.find("state")->find("value")->as_int() == 9;
  }));
  run("d", "s.close()");
  EXPECT_TRUE(viewer_.wait([&] { return viewer_.models_.back().method == ModelMethod::close; }));
}

TEST_F(KernelTest, CallbacksPrintIntoTheCellThatMadeTheirWidget) {
  start();
  run("a", "import ipywidgets as w\ns = w.IntSlider()\ns.observe(lambda c: print('now', c.new), 'value')");
  run("b", "s._model_id");
  const auto id = viewer_.cell("b").mime(0, "text/plain");
  json::Value message = *json::parse(R"({"method":"update","state":{"value":5},"buffer_paths":[]})");
  const auto written = write_to(id.substr(1, id.size() - 2), message, "client-2");
  ASSERT_TRUE(written.has_value()) << written.error().message;
  ASSERT_TRUE(viewer_.wait([&] { return viewer_.cells_["a"].outputs.size() == 1; }));
  EXPECT_EQ(viewer_.cell("a").text(0), "now 5\n");
}

TEST_F(KernelTest, ALateJoinerSeesWhatTheFirstViewerSees) {
  start();
  run("a", "print('x' * 10)\nfrom IPython.display import HTML\nHTML('<b>' + 'y' * 200000 + '</b>')");
  SeenCell joiner;
  Viewer::apply(joiner, *json::parse(on_loop([&] { return runtime_->cell_view("a").data(); })));
  const auto first = viewer_.cell("a");
  EXPECT_EQ(joiner.outputs, first.outputs);
  EXPECT_EQ(joiner.status, "idle");
  EXPECT_EQ(joiner.count, 1);
  const auto* blob = first.outputs.at(1).find("data")->find("text/html");
  ASSERT_TRUE(blob->is_object()) << "200 kB of HTML are a blob";
  const auto sha256 = *blob->find("$blob")->as_string();
  EXPECT_TRUE(on_loop([&] { return runtime_->outputs().has_blob(sha256); }));
  EXPECT_EQ(service_->blobs().get(sha256)->bytes->size(), 200'007u);
  const auto saved = on_loop([&] { return runtime_->outputs().to_nbformat("a"); }).text(service_->blobs());
  EXPECT_NE(saved->find(R"("text/html":["<b>yyy)"), std::string::npos) << saved->substr(0, 300);
}

TEST_F(KernelTest, RunsWaitForAKernelThatStillStarts) {
  start();
  execute("a", "6 * 7");
  ASSERT_TRUE(viewer_.wait_status("a", "idle"));
  EXPECT_EQ(viewer_.cell("a").mime(0, "text/plain"), "42");
}

}  // namespace
}  // namespace lectern::runtime::testing
