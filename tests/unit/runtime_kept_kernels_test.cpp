// What is written down of kernels that outlive their host, and how a process is told from another with its number.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/workers.hpp"
#include "plugin/registry.hpp"
#include "runtime/executions.hpp"
#include "runtime/kept_kernels.hpp"
#include "runtime/processes.hpp"
#include "runtime/service.hpp"
#include "runtime/session_runtime.hpp"

namespace lectern::runtime {
namespace {
namespace fs = std::filesystem;

class KeptKernelsTest : public ::testing::Test {
 protected:
  KeptKernelsTest() {
    std::string name = (fs::temp_directory_path() / "lectern-kept-XXXXXX").string();
    state_ = ::mkdtemp(name.data());
    kept_.emplace(state_, true, [this](Task task) { tasks_.push_back(std::move(task)); });
  }
  ~KeptKernelsTest() override {
    for (const auto pid : sleepers_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    fs::remove_all(state_);
  }
  void work() {
    for (auto& task : std::exchange(tasks_, {})) task();
  }
  static KeptKernel kernel(const std::string& session) {
    KeptKernel out;
    out.session_id = session;
    out.path = "/notebooks/\"a\".ipynb";
    out.kernel = {"jupyter/python3", "jupyter", "python3", "Python 3", "python", {}, false};
    out.since = "2024-01-01T00:00:00.000Z";
    return out;
  }
  /// A process in a session of its own that waits to be killed; reap() it, or it is with the fixture.
  pid_t sleeper() {
    int begun[2];
    if (::pipe2(begun, O_CLOEXEC) != 0) return -1;
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setsid();
      ::execl("/bin/sleep", "sleep", "600", nullptr);
      ::_exit(127);
    }
    if (pid > 0) sleepers_.push_back(pid);
    ::close(begun[1]);
    char none = 0;
    EXPECT_EQ(::read(begun[0], &none, 1), 0);  // it is another program by now
    ::close(begun[0]);
    return pid;
  }
  pid_t reap(pid_t pid) {
    std::erase(sleepers_, pid);
    return ::waitpid(pid, nullptr, 0);
  }
  fs::path state_;
  std::vector<pid_t> sleepers_;
  std::vector<Task> tasks_;
  std::optional<KeptKernels> kept_;
};

TEST_F(KeptKernelsTest, WhatIsWrittenIsFoundAndIsNobodyElses) {
  auto one = kernel("s-1");
  one.life = 3;
  one.running = KeptRun{7, "run-7", "cell", "ann", 12};
  ASSERT_TRUE(kept_->prepare(one).has_value());
  const auto found = kept_->find("s-1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->path, one.path);
  EXPECT_EQ(found->kernel.name, "jupyter/python3");
  EXPECT_EQ(found->life, 3u);
  ASSERT_TRUE(found->running.has_value());
  EXPECT_EQ(found->running->number, 7u);
  EXPECT_EQ(found->running->count, 12);
  EXPECT_EQ(found->host, ::getpid());
  EXPECT_FALSE(KeptKernels::held_elsewhere(*found)) << "by this process";
  struct stat about {};
  ASSERT_EQ(::stat((kept_->folder("s-1") + "/kernel.json").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(kept_->folder("s-1").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
  EXPECT_FALSE(kept_->find("../kernels/s-1").has_value());
  EXPECT_FALSE(kept_->prepare(kernel("../out")).has_value());
}

TEST_F(KeptKernelsTest, TheNewestWordIsWritten) {
  auto one = kernel("s-1");
  for (std::uint64_t life = 0; life < 5; ++life) {
    one.life = life;
    kept_->put(one);
  }
  EXPECT_EQ(tasks_.size(), 1u);
  work();
  EXPECT_EQ(kept_->find("s-1")->life, 4u);
  kept_->put(one);
  kept_->forget("s-1");
  work();
  EXPECT_FALSE(kept_->find("s-1").has_value());
  EXPECT_FALSE(fs::exists(kept_->folder("s-1")));
  // What was to be removed is of a kernel before this one.
  kept_->forget("s-1");
  ASSERT_TRUE(kept_->prepare(one).has_value());
  work();
  EXPECT_TRUE(kept_->find("s-1").has_value());
}

TEST_F(KeptKernelsTest, WhatRunsIsNotedAtOnce) {
  const KeptRun run{9, "run-9", "cell", "ann", std::nullopt};
  EXPECT_FALSE(kept_->note_run("s-1", run)) << "of nobody";
  ASSERT_TRUE(kept_->prepare(kernel("s-1")).has_value());
  EXPECT_TRUE(kept_->note_run("s-1", KeptRun{8, std::string(100, 'x'), "cell", "ann", 3}));
  EXPECT_TRUE(kept_->note_run("s-1", run));
  ASSERT_TRUE(kept_->find("s-1")->running.has_value());
  EXPECT_EQ(kept_->find("s-1")->running->id, "run-9");
  EXPECT_FALSE(kept_->find("s-1")->running->count.has_value());
  auto asks = run;
  asks.question = {"who\n\"are\" you? ", true};
  EXPECT_TRUE(kept_->note_run("s-1", asks));
  const auto asked = kept_->find("s-1")->running;
  ASSERT_TRUE(asked && asked->question);
  EXPECT_EQ(asked->question->prompt, "who\n\"are\" you? ");
  EXPECT_TRUE(asked->question->password);
  asks.question->prompt = std::string(2'000, '\n');
  EXPECT_TRUE(kept_->note_run("s-1", asks));
  const auto without = kept_->find("s-1")->running;
  ASSERT_TRUE(without) << "the run is worth more than what it asks";
  EXPECT_FALSE(without->question);
  EXPECT_TRUE(kept_->note_run("s-1", std::nullopt));
  EXPECT_FALSE(kept_->find("s-1")->running.has_value());
  EXPECT_TRUE(kept_->note_run("s-1", KeptRun{9, std::string(3000, 'x'), "cell", "ann", 3}));
  EXPECT_FALSE(kept_->find("s-1")->running.has_value()) << "too much of it";
  kept_->forget("s-1");
  work();
  EXPECT_FALSE(kept_->note_run("s-1", run));
}

TEST_F(KeptKernelsTest, WhatWaitsIsFoundInItsOrderAsFarAsItWasWritten) {
  const auto waits = [](std::uint64_t number, const std::string& code) {
    KeptRun run{number, "run-" + std::to_string(number), "cell", "ann", std::nullopt, 3, false};
    run.code = code;
    return KeptKernels::waits(run);
  };
  EXPECT_FALSE(kept_->note_waiting("s-1", waits(1, "1"), false)) << "of nobody";
  ASSERT_TRUE(kept_->prepare(kernel("s-1")).has_value());
  ASSERT_TRUE(kept_->note_waiting("s-1", waits(5, "old"), true));
  ASSERT_TRUE(kept_->note_waiting("s-1", waits(9, "nine\n\"9\""), true)) << "in place of it";
  for (const auto& line : {waits(8, "first"), waits(8, "newer"), waits(11, "gone"), waits(10, "ten")}) {
    ASSERT_TRUE(kept_->note_waiting("s-1", line, false));
  }
  ASSERT_TRUE(kept_->note_waiting("s-1", KeptKernels::waits_no_more(11) + waits(12, "cut").substr(0, 30), false));
  ASSERT_TRUE(kept_->note_run("s-1", KeptRun{7, "run-7", "cell", "ann", 3}));
  const auto found = kept_->find("s-1");
  ASSERT_EQ(found->waiting.size(), 3u);
  EXPECT_EQ(found->waiting[0].code, "newer");
  EXPECT_EQ(found->waiting[1].code, "nine\n\"9\"");
  EXPECT_EQ(found->waiting[2].id, "run-10");
  EXPECT_EQ(found->waiting[2].batch, 3u);
  EXPECT_FALSE(found->waiting[2].stop_on_error);
  // Killed between noting that it runs and that it waits no more.
  ASSERT_TRUE(kept_->note_run("s-1", KeptRun{9, "run-9", "cell", "ann", std::nullopt}));
  EXPECT_EQ(kept_->find("s-1")->waiting.size(), 1u);
}

TEST_F(KeptKernelsTest, WhatAnEarlierHostNotedCanBeCancelledBeforeAnythingIsOpen) {
  ASSERT_TRUE(kept_->prepare(kernel("s-1")).has_value());
  KeptRun run{5, "run-5", "cell", "ann", std::nullopt};
  run.code = "5";
  ASSERT_TRUE(kept_->note_waiting("s-1", KeptKernels::waits(run), true));
  KeptKernels next(state_, true, [](const Task&) {});
  ASSERT_EQ(next.find("s-1")->waiting.size(), 1u);
  next.none_waits("s-2");
  next.none_waits("s-1");
  EXPECT_TRUE(next.find("s-1")->waiting.empty());
}

TEST_F(KeptKernelsTest, NotesGoOnWhenTheFileOfTheKernelCannotBeWritten) {
  ASSERT_TRUE(kept_->prepare(kernel("s-1")).has_value());
  fs::create_directories(kept_->folder("s-1") + "/kernel.json.new");
  KeptKernels next(state_, true, [](Task task) { task(); });
  next.put(kernel("s-1"));
  EXPECT_TRUE(next.note_waiting("s-1", {}, true));
}

TEST_F(KeptKernelsTest, WhatIsDamagedIsLeftOut) {
  ASSERT_TRUE(kept_->prepare(kernel("s-1")).has_value());
  ASSERT_TRUE(kept_->prepare(kernel("s-2")).has_value());
  std::ofstream(kept_->folder("s-2") + "/kernel.json") << R"({"session_id":"s-1","kernel":{}})";
  fs::create_directories(state_ / "kernels" / "s-3");
  std::ofstream(state_ / "kernels" / "s-3" / "kernel.json") << "{";
  const auto all = kept_->list();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.front().session_id, "s-1");
}

TEST_F(KeptKernelsTest, AnEndIsOfTheProcessThatWasMeant) {
  const pid_t pid = sleeper();
  ASSERT_GT(pid, 0);
  auto one = kernel("s-1");
  one.process = pid;
  ASSERT_TRUE(kept_->prepare(one).has_value());
  const auto found = kept_->find("s-1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->process_start, process_start(pid));
  EXPECT_TRUE(KeptKernels::alive(*found));

  auto other = *found;
  other.process_start = "1";
  EXPECT_FALSE(KeptKernels::alive(other)) << "the number is somebody else's";
  EXPECT_TRUE(KeptKernels::end(other));
  auto earlier = *found;
  earlier.boot = "another";
  EXPECT_FALSE(KeptKernels::alive(earlier));
  EXPECT_TRUE(KeptKernels::end(earlier));
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0) << "neither was meant";

  EXPECT_TRUE(KeptKernels::end(*found));
  EXPECT_EQ(reap(pid), pid);
  kept_->clear(*found);
  EXPECT_TRUE(kept_->list().empty());
}

TEST_F(KeptKernelsTest, ANewOneEndsTheOneBeforeItThatLives) {
  const pid_t pid = sleeper();
  ASSERT_GT(pid, 0);
  auto one = kernel("s-1");
  one.process = pid;
  ASSERT_TRUE(kept_->prepare(one).has_value());
  const auto before = kept_->find("s-1");
  ASSERT_TRUE(before.has_value());
  EXPECT_TRUE(KeptKernels::alive(*before));
  one.process = 0;
  ASSERT_TRUE(kept_->prepare(one).has_value());
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), pid);
  std::erase(sleepers_, pid);
  EXPECT_EQ(kept_->find("s-1")->process, 0);
}

/// A kernel that an earlier host kept, whose process is a sleeper.
class TakingUpTest : public KeptKernelsTest, public RuntimeListener {
 protected:
  TakingUpTest() {
    folder_ = kept_->folder("s-1");
    auto one = kernel("s-1");
    one.kernel.plugin = "runtime-jupyter";
    one.kernel.kernel = "no-such-kernelspec";
    one.process = sleeper();
    EXPECT_TRUE(kept_->prepare(one).has_value());
    found_ = *kept_->find("s-1");
    registry_ = std::make_unique<plugin::Registry>(
        plugin::RegistryOptions{{fs::path(LECTERN_TEST_PLUGINS)}, state_ / "staging"});
    service_ = std::make_unique<Service>(*registry_, workers_, state_, PluginSettings{}, true);
    on_loop([&] { runtime_ = std::make_unique<SessionRuntime>(loop_, *service_, *this); });
  }
  ~TakingUpTest() override {
    on_loop([&] { runtime_.reset(); });
    service_.reset();
  }
  /// What its plugin needs to find it again.
  void written_by_the_plugin() {
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot_;
    std::ofstream(folder_ + "/process.json")
        << R"({"pid":)" << found_.process << R"(,"start_time":")" << found_.process_start << R"(","boot_id":")" << boot_
        << R"(","connection_file":")" << folder_ << R"(/connection.json","session":"s"})";
    std::ofstream(folder_ + "/connection.json")
        << R"({"key":"k","shell_port":1,"iopub_port":2,"stdin_port":3,"control_port":4,"hb_port":5,"ip":"127.0.0.1"})";
  }
  void on_loop(const std::function<void()>& function) {
    std::promise<void> done;
    loop_.post([&] {
      function();
      done.set_value();
    });
    done.get_future().get();
  }
  void on_kernel_status(std::string data) override {
    if (data.find("was not taken up") != std::string::npos) refused_.set_value();
    told_.push_back(std::move(data));
  }
  void on_cell_op(const std::string&, std::string, bool) override {}
  void on_input_request(const std::string&, std::string data) override {
    before_asked_ = told_.empty() ? "" : told_.back();
    question_ = std::move(data);
    asked_.set_value();
  }
  void on_input_done(const std::string&) override {}
  void on_model(const ModelEvent&) override {}
  void on_kernel_info(const KernelInfo&, std::string) override {}

  std::string folder_, boot_;
  KeptKernel found_;
  std::promise<void> refused_, asked_;
  std::vector<std::string> told_;  // of the kernel's state; on the loop, as these
  std::string before_asked_, question_;
  Loop loop_{"session"};
  Workers workers_{1};
  std::unique_ptr<plugin::Registry> registry_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<SessionRuntime> runtime_;
};

TEST_F(TakingUpTest, AnEndBeforeItWasHeardLeavesItBeEvenWithoutItsKernelspec) {
  written_by_the_plugin();
  bool left = false;
  on_loop([&] {
    runtime_->take_up(found_, {});
    left = runtime_->leave();
    runtime_.reset();
  });
  EXPECT_TRUE(left);
  std::promise<void> started;
  workers_.submit([&] { started.set_value(); });
  started.get_future().get();
  on_loop([] {});  // the answer of the start
  service_.reset();
  EXPECT_TRUE(KeptKernels::alive(found_));
  ASSERT_TRUE(kept_->find("s-1").has_value());
  EXPECT_EQ(::waitpid(static_cast<pid_t>(found_.process), nullptr, WNOHANG), 0);
}

TEST_F(TakingUpTest, WhatIsAskedIsAskedAgainOnlyWhenTheKernelIsHeard) {
  written_by_the_plugin();
  found_.running = {5, "run-5", "cell", "ann", std::nullopt};
  found_.running->question = {"who? ", false};
  auto asked = asked_.get_future();
  on_loop([&] { runtime_->take_up(found_, {}); });
  ASSERT_EQ(asked.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  on_loop([&] {
    EXPECT_NE(told_.front().find(R"("state":"starting")"), std::string::npos) << told_.front();
    EXPECT_TRUE(before_asked_.find(R"("state":"idle")") != std::string::npos ||
                before_asked_.find(R"("state":"busy")") != std::string::npos)
        << before_asked_;
    EXPECT_NE(question_.find(R"("prompt":"who? ")"), std::string::npos) << question_;
    EXPECT_NE(question_.find(R"("cell_id":"cell")"), std::string::npos) << question_;
    (void)runtime_->leave();
  });
}

TEST_F(TakingUpTest, OneThatLivesAndIsNotTakenUpIsNotForgotten) {
  auto refused = refused_.get_future();
  on_loop([&] { runtime_->take_up(found_, {}); });
  ASSERT_EQ(refused.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  on_loop([&] { runtime_.reset(); });
  service_.reset();
  EXPECT_TRUE(KeptKernels::alive(found_));
  EXPECT_TRUE(kept_->find("s-1").has_value());
  EXPECT_EQ(::waitpid(static_cast<pid_t>(found_.process), nullptr, WNOHANG), 0);
}

TEST_F(TakingUpTest, WhatWasToldAsCancelledIsNotBroughtBack) {
  KeptRun run{5, "run-5", "cell", "ann", std::nullopt};
  run.code = "5";
  ASSERT_TRUE(kept_->note_waiting("s-1", KeptKernels::waits(run), true));
  found_ = *kept_->find("s-1");
  ASSERT_EQ(found_.waiting.size(), 1u);
  auto refused = refused_.get_future();
  on_loop([&] { runtime_->take_up(found_, {}); });
  ASSERT_EQ(refused.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  on_loop([&] { runtime_.reset(); });
  service_.reset();
  ASSERT_TRUE(kept_->find("s-1").has_value());
  EXPECT_TRUE(kept_->find("s-1")->waiting.empty());
}

TEST_F(KeptKernelsTest, ClearingLeavesTheNextOneBe) {
  auto one = kernel("s-1");
  ASSERT_TRUE(kept_->prepare(one).has_value());
  const auto seen = kept_->find("s-1");
  one.since = "2025-01-01T00:00:00.000Z";
  ASSERT_TRUE(kept_->prepare(one).has_value());
  kept_->clear(*seen);
  EXPECT_TRUE(kept_->find("s-1").has_value());
}

TEST(QueueOfAKeptKernel, GoesOnWithWhatRunsAndNumbersAboveIt) {
  std::string log;
  std::vector<std::uint64_t> sent;
  Executions queue({[&](const Execution& run) {
                      sent.push_back(run.number);
                      return Status();
                    },
                    [&](const Execution& run, std::string_view) {
                      log += run.cell_id + ":" + std::string(run_status_name(run.status)) + " ";
                    }});
  Execution running;
  running.number = 5;
  running.cell_id = "a";
  running.batch = 1;
  running.status = RunStatus::running;
  queue.go_on(running, 1ull << 32);
  (void)queue.enqueue({{"b", "2"}}, "me");
  queue.set_ready(true);
  EXPECT_TRUE(sent.empty()) << "one at a time";
  queue.finished(5, Finish::error, "{}");
  EXPECT_EQ(log, "b:queued a:error b:running ") << "a failure of before cancels nothing of now";
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_GT(sent.front(), 1ull << 32);
}

TEST(QueueOfAKeptKernel, RunsWhatWaitedBeforeWhatIsNew) {
  std::string log;
  Executions queue({[&](const Execution& run) {
                      log += run.code + "@" + std::to_string(run.number) + " ";
                      return Status();
                    },
                    [](const Execution&, std::string_view) {}});
  const auto waited = [](const std::string& code, std::uint64_t batch) {
    Execution execution;
    execution.cell_id = execution.code = code;
    execution.batch = batch;
    return execution;
  };
  auto running = waited("a", 4);
  running.number = 5;
  running.status = RunStatus::running;
  queue.go_on(running, 100, {waited("of the same", 4), waited("b", 6)});
  (void)queue.enqueue({{"c", "c"}}, "me");
  queue.set_ready(true);
  queue.finished(5, Finish::error, "{}");
  queue.finished(102, Finish::error, "{}");
  EXPECT_EQ(log, "b@102 c@103 ") << "a failure cancels what is left of its own batch";
}

}  // namespace
}  // namespace lectern::runtime
