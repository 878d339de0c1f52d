// Transports and runtimes in processes of their own: calls are handed over and answered in order, a death is noticed at
// once and ends what that process had, and the next call has another one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/clock.hpp"
#include "plugin/runtime.hpp"
#include "plugin/transport.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using ::testing::HasSubstr;

const testing::fs::path crashing = testing::fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-crashing-live";
constexpr std::chrono::seconds patience{60};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

/// Things that happen on other threads.
template <class T>
class Inbox {
 public:
  void put(T one) {
    const std::scoped_lock lock(mutex_);
    all_.push_back(std::move(one));
    changed_.notify_all();
  }
  std::optional<T> next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience, [&] { return !all_.empty(); })) return std::nullopt;
    T one = std::move(all_.front());
    all_.pop_front();
    return one;
  }
  [[nodiscard]] std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return all_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> all_;
};

class Live : public testing::RegistryTest {
 protected:
  GenerationPtr load(Kind kind, std::string_view id) {
    auto generation = registry_->load(kind, id);
    EXPECT_TRUE(generation) << generation.error().message;
    if (!generation) return nullptr;
    EXPECT_NE((*generation)->remote(), nullptr);
    return *generation;
  }
  [[nodiscard]] std::unique_ptr<Registry> made(isolation::Limits limits = {}) const {
    auto options = testing::isolating(RegistryOptions{{crashing, testing::shipped}, temporary_.path() / "state"});
    options.limits = limits;
    return std::make_unique<Registry>(std::move(options));
  }
  std::unique_ptr<Registry> registry_ = made();
};

class LiveTransport : public Live {
 protected:
  Inbox<std::uint64_t> lost_;  // outlives the transport
  TransportPtr transport_;
  void SetUp() override { begin_anew(); }
  void begin_anew(isolation::Limits limits = {}) {
    transport_.reset();
    registry_ = made(limits);
    auto made = Transport::create(load(Kind::transport, "crashing-transport"), "{}");
    ASSERT_TRUE(made) << made.error().message;
    transport_ = *made;
  }

  Result<std::uint64_t> open_once(std::uint64_t connection, std::string_view query = "{}") {
    Inbox<TransportAnswer> answer;
    const auto handed = transport_->open_later(
        connection, 0, query, [&](TransportAnswer&& one) { answer.put(std::move(one)); },
        [this, connection] { lost_.put(connection); });
    if (!handed) return fail(handed.error());
    auto one = answer.next();
    if (!one) return fail(504, "timeout", "no answer");
    return Transport::opened(*one);
  }
  /// Once the back-off has let it.
  void open(std::uint64_t connection) {
    for (const auto end = clock::now_ms() + 60'000; clock::now_ms() < end; std::this_thread::yield()) {
      const auto opened = open_once(connection);
      if (opened) return;
      ASSERT_EQ(opened.error().status, 503) << opened.error().message;
      ASSERT_THAT(opened.error().message, HasSubstr("started again in"));
    }
    FAIL() << "it never woke";
  }
  std::string received(std::uint64_t connection, std::string_view frame) {
    std::string out;
    const auto status = transport_->receive(connection, false, frame, [&](const Inbound& message) {
      out += std::string(message.name) + "/" + std::to_string(message.epoch);
      return Status{};
    });
    return status ? out : status.error().code + ": " + status.error().message;
  }
};

TEST_F(LiveTransport, EveryWayToDieEndsItsConnectionsAndTheNextOnesAreServed) {
  const std::pair<const char*, const char*> ways[] = {
      {"die segv", sanitized ? "its process" : "SIGSEGV"},
      {"die exit", "by itself with code 7"},
      {"die socket", "SIGSYS"},
      {"die loop", "did not answer within"},
      {"corrupt", "announced a frame of 2147483647 bytes"},
      {"stray", "answered out of turn"},
  };
  for (const auto& [frame, blame] : ways) {
    if (sanitized && std::string_view(frame) == "die socket") continue;
    isolation::Limits limits;
    if (std::string_view(frame) == "die loop") limits.transport_ms = 500;  // it is waited for
    begin_anew(limits);                                                    // nobody rests after the first death
    ASSERT_TRUE(open_once(1));
    ASSERT_TRUE(open_once(2));
    EXPECT_EQ(received(1, "hello"), "hello/1");
    EXPECT_THAT(received(1, frame), HasSubstr(blame)) << frame;
    EXPECT_EQ(lost_.next(), 1u) << frame;
    EXPECT_EQ(lost_.next(), 2u) << frame << ": a connection that did nothing wrong is told too";
    EXPECT_THAT(received(2, "hello"), HasSubstr("its process is gone"));
    const auto next = open_once(3);
    ASSERT_TRUE(next) << next.error().message;
    EXPECT_EQ(received(3, "hello"), "hello/3");
    EXPECT_THAT(received(2, "hello"), HasSubstr("could not read a frame")) << "the new process has the new ones only";
    EXPECT_EQ(lost_.size(), 0u);
    EXPECT_EQ(transport_->generation()->report().restarts, 1u);
  }
}

TEST_F(LiveTransport, OneThatKeepsDyingRestsLongerAndLonger) {
  for (std::uint64_t connection = 1; connection < 4; ++connection) {
    open(connection);
    EXPECT_THAT(received(connection, "die abort"), HasSubstr("could not read a frame"));
  }
  // Each rest is twice the one before: a machine that stands still may sleep through the first.
  auto resting = open_once(9);
  for (std::uint64_t connection = 10; resting && connection < 16; ++connection) {
    (void)received(connection - 1, "die abort");
    resting = open_once(connection);
  }
  ASSERT_FALSE(resting);
  EXPECT_EQ(resting.error().status, 503);
  EXPECT_THAT(resting.error().message, HasSubstr("times in a row"));
}

TEST_F(LiveTransport, AKilledOneIsNoticedWithoutACall) {
  open(1);
  const auto pid = static_cast<pid_t>(transport_->generation()->report().pid);
  ASSERT_GT(pid, 1);
  const auto before = clock::now_ms();
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  EXPECT_EQ(lost_.next(), 1u);
  EXPECT_LT(clock::now_ms() - before, 30'000);
  EXPECT_EQ(transport_->generation()->report().pid, 0);
  open(2);
  EXPECT_NE(transport_->generation()->report().pid, pid);
  EXPECT_EQ(received(2, "hello"), "hello/2");
}

TEST_F(LiveTransport, CallsAreAnsweredInTheirOrderAndNobodyWaitsForThem) {
  open(1);
  Inbox<std::string> answers;
  constexpr int n = 2000;
  for (int i = 0; i < n; ++i) {
    const auto handed = transport_->receive_later(1, false, std::to_string(i), [&](TransportAnswer&& answer) {
      (void)Transport::received(answer, [&](const Inbound& message) {
        answers.put(std::string(message.name));
        return Status{};
      });
    });
    ASSERT_TRUE(handed);
  }
  for (int i = 0; i < n; ++i) ASSERT_EQ(answers.next(), std::to_string(i));
}

TEST_F(LiveTransport, NothingIsAnsweredAfterItsEndThoughItIsStillShared) {
  open(1);
  std::atomic<int> answered{0};
  constexpr int n = 500;
  for (int i = 0; i < n; ++i) {
    ASSERT_TRUE(transport_->receive_later(1, false, "frame", [&](TransportAnswer&&) { ++answered; }));
  }
  transport_->end();
  EXPECT_EQ(answered, n);
  const auto late = transport_->receive_later(1, false, "late", [&](TransportAnswer&&) { ++answered; });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().status, 503);
  transport_->close(1);
  transport_->end();
  EXPECT_EQ(answered, n);
  EXPECT_EQ(lost_.size(), 0u);
}

TEST_F(LiveTransport, WhatThePluginSaysComesThrough) {
  const auto refused = open_once(1, R"({"x":"refuse"})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_THAT(refused.error().message, HasSubstr("not like this"));
  open(2);
  EXPECT_THAT(received(2, "invalid"), HasSubstr("bad_frame"));
  EXPECT_THAT(received(2, "invalid"), HasSubstr("not a frame of mine"));
  Outbound message;
  message.op = "cell-op";
  message.data = R"({"a":1})";
  const auto frames = transport_->encode(3, message);
  ASSERT_TRUE(frames) << frames.error().message;
  ASSERT_EQ(frames->size(), 1u);
  EXPECT_EQ((*frames)[0].bytes, R"(3 cell-op {"a":1})");
  EXPECT_FALSE(transport_->encode(99, message)) << "an encoding that no connection has";
  EXPECT_EQ(transport_->bindings().at(0).name, "crash.v1");
}

class LiveRuntime : public Live {
 protected:
  Inbox<RuntimeEvent> inbox_;                        // outlives the runtime
  std::function<void(const RuntimeEvent&)> during_;  // while one is told
  std::shared_ptr<Runtime> runtime_ =
      *Runtime::create(load(Kind::runtime, "crashing-runtime"), "{}", [this](RuntimeEvent&& event) {
        if (const auto during = during_) during(event);
        inbox_.put(std::move(event));
      });
  void TearDown() override { runtime_.reset(); }

  void expect_state(KernelState state, std::string_view why = "") {
    const auto event = inbox_.next();
    ASSERT_TRUE(event) << "no event of state " << static_cast<int>(state);
    ASSERT_EQ(event->kind, RuntimeEventKind::state);
    EXPECT_EQ(event->value, static_cast<std::int64_t>(state)) << event->text;
    EXPECT_THAT(event->text, HasSubstr(std::string(why)));
  }
  void start(std::uint64_t kernel = 1) {
    const auto started = runtime_->start(kernel, "crash", "{}");
    ASSERT_TRUE(started) << started.error().message;
    expect_state(KernelState::starting);
    expect_state(KernelState::idle);
  }
  /// What an execution says on its stream.
  std::string run(const std::string& code) {
    EXPECT_TRUE(runtime_->execute(1, ++last_, code));
    std::string said;
    while (const auto event = inbox_.next()) {
      EXPECT_EQ(event->execution, last_);
      if (event->kind == RuntimeEventKind::stream) said += event->text;
      if (event->kind == RuntimeEventKind::finished) return said;
    }
    return "it never ended";
  }
  std::uint64_t last_ = 0;
};

TEST_F(LiveRuntime, ADeathIsToldAsDeadAndTheKernelCanBeRestarted) {
  const auto listed = runtime_->kernels();
  ASSERT_TRUE(listed) << listed.error().message;
  EXPECT_THAT(*listed, HasSubstr("crash"));
  start();
  for (const std::string how : {"segv", "exit"}) {
    EXPECT_EQ(run("hello"), "hello");
    ASSERT_TRUE(runtime_->execute(1, ++last_, how));
    EXPECT_EQ(inbox_.next()->kind, RuntimeEventKind::started);
    expect_state(KernelState::dead, "the process of its runtime has ended");
    const auto refused = runtime_->execute(1, ++last_, "hello");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "kernel_unavailable");
    ASSERT_TRUE(runtime_->restart(1));
    expect_state(KernelState::restarting);
    expect_state(KernelState::starting);
    expect_state(KernelState::idle);
  }
  EXPECT_EQ(run("hello again"), "hello again");
  ASSERT_TRUE(runtime_->shutdown(1));
  expect_state(KernelState::dead, "shutdown");
  EXPECT_EQ(runtime_->execute(1, ++last_, "hello").error().code, "unknown_kernel");
}

TEST_F(LiveRuntime, AKernelThatIsRestartedDuringAnotherDeathLives) {
  const auto kill = [this] { ::kill(static_cast<pid_t>(runtime_->generation()->report().pid), SIGKILL); };
  start(1);
  start(2);
  kill();
  expect_state(KernelState::dead);
  expect_state(KernelState::dead);
  ASSERT_TRUE(runtime_->restart(1));
  expect_state(KernelState::restarting);
  expect_state(KernelState::starting);
  expect_state(KernelState::idle);
  // Between the two of whom the next death is told: the second is started already when its turn comes.
  bool restarted = false;
  during_ = [&](const RuntimeEvent& event) {
    if (event.kernel != 1 || event.value != static_cast<std::int64_t>(KernelState::dead)) return;
    restarted = runtime_->restart(2).has_value();
    during_ = nullptr;
  };
  kill();
  expect_state(KernelState::restarting);
  expect_state(KernelState::dead);
  expect_state(KernelState::dead);
  expect_state(KernelState::starting);
  expect_state(KernelState::idle);
  EXPECT_TRUE(restarted);
  ASSERT_TRUE(runtime_->execute(2, 77, "hello"));
  EXPECT_EQ(inbox_.next()->kind, RuntimeEventKind::started);
  EXPECT_EQ(inbox_.next()->text, "hello");
  EXPECT_EQ(inbox_.next()->kind, RuntimeEventKind::finished);
}

TEST_F(LiveRuntime, AKilledOneIsToldWithinASecondAndTakesItsProgramsAlong) {
  start();
  start(2);
  const auto program = static_cast<pid_t>(std::stoi(run("spawn")));
  ASSERT_GT(program, 1);
  ASSERT_EQ(::kill(program, 0), 0) << "it runs";
  const auto pid = static_cast<pid_t>(runtime_->generation()->report().pid);
  ASSERT_GT(pid, 1);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  expect_state(KernelState::dead, "SIGKILL");
  expect_state(KernelState::dead, "SIGKILL");
  EXPECT_NE(::kill(program, 0), 0) << "what a kernel left alone ends with it, before anybody is told";
  ASSERT_TRUE(runtime_->shutdown(2)) << "a dead kernel can be let go";
  expect_state(KernelState::dead, "shutdown");
}

TEST_F(LiveRuntime, WhenItEndsNothingIsLeftBehind) {
  start();
  const auto program = static_cast<pid_t>(std::stoi(run("spawn")));
  ASSERT_EQ(::kill(program, 0), 0);
  runtime_.reset();
  EXPECT_NE(::kill(program, 0), 0);
}

TEST_F(LiveRuntime, EventsKeepTheirOrderAndAFloodWaitsInTheProcess) {
  start();
  ASSERT_TRUE(runtime_->execute(1, ++last_, "flood"));
  // 50,000 come from there; of what nobody takes, 32 MiB and a frame or two are here at most.
  constexpr std::size_t many = 20'000, too_many = 30'000;
  const auto end = clock::now_ms() + 60'000;
  auto changed_ms = clock::now_ms();
  for (std::size_t last = 0; clock::now_ms() < end && (last < many || clock::now_ms() - changed_ms < 200);) {
    if (inbox_.size() != last) changed_ms = clock::now_ms();
    last = inbox_.size();
    std::this_thread::yield();
  }
  EXPECT_GE(inbox_.size(), many);
  EXPECT_LT(inbox_.size(), too_many);
  ASSERT_EQ(inbox_.next()->kind, RuntimeEventKind::started);
  for (int i = 0; i < 50'000; ++i) {
    const auto event = inbox_.next();
    ASSERT_TRUE(event);
    ASSERT_EQ(std::stoi(event->text), i);
  }
  EXPECT_EQ(inbox_.next()->text, "flood");
  EXPECT_EQ(inbox_.next()->kind, RuntimeEventKind::finished);
}

TEST_F(LiveRuntime, WhatIsRefusedLaterHasAnEndAllTheSame) {
  EXPECT_EQ(runtime_->start(7, "nobody", "{}").error().code, "unknown_kernel");
  EXPECT_EQ(runtime_->execute(7, 1, "x").error().code, "unknown_kernel");
  start();
  ASSERT_TRUE(runtime_->execute(1, 5, "refuse"));
  auto event = inbox_.next();
  ASSERT_EQ(event->kind, RuntimeEventKind::finished);
  EXPECT_EQ(event->execution, 5u);
  EXPECT_EQ(event->value, static_cast<std::int64_t>(FinishedAs::aborted));
  ASSERT_TRUE(runtime_->request(1, 9, "complete", "{}"));
  event = inbox_.next();
  ASSERT_EQ(event->kind, RuntimeEventKind::reply);
  EXPECT_EQ(event->request, 9u);
  ASSERT_TRUE(event->refused) << "as of a runtime in the host";
  EXPECT_EQ(event->refused->status, 415);
  EXPECT_EQ(event->refused->code, "unsupported");
  ASSERT_TRUE(runtime_->comm(1, {"msg", "model", {}, R"({"state":"refuse"})", {}, {}}));
  event = inbox_.next();
  ASSERT_EQ(event->kind, RuntimeEventKind::reply);
  EXPECT_EQ(event->request, 0u) << "of none";
  ASSERT_TRUE(event->refused);
  EXPECT_EQ(event->refused->code, "kernel_unavailable");
  const auto refused = Runtime::create(runtime_->generation(), R"({"x":"refuse"})", [](RuntimeEvent&&) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "bad_config");
}

TEST_F(LiveRuntime, AKernelThatIsSlowToStartHoldsUpNoOther) {
  start();
  std::thread slow([&] { EXPECT_TRUE(runtime_->start(2, "wait", "{}")); });
  EXPECT_EQ(run("hello"), "hello");
  EXPECT_EQ(run("go"), "go");
  slow.join();
}

}  // namespace
}  // namespace lectern::plugin
