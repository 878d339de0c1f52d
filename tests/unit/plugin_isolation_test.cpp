// Plugins in processes of their own: what crosses, what a child may not do, and what is left of the host when it dies.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <thread>

#include "base/clock.hpp"
#include "plugin/format.hpp"
#include "plugin/policy.hpp"
#include "plugin/transport.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::isolating;

const testing::fs::path crashing = testing::fs::path(LECTERN_TEST_PLUGINS) / ".." / "plugins-crashing";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

class Isolation : public testing::RegistryTest {
 protected:
  RegistryOptions options() {
    return isolating(RegistryOptions{{crashing, testing::bad, testing::shipped}, temporary_.path() / "state"});
  }
  FormatPtr format(std::string_view id) {
    auto generation = registry_->load(Kind::format, id);
    EXPECT_TRUE(generation) << generation.error().message;
    if (!generation) return nullptr;
    EXPECT_NE((*generation)->remote(), nullptr);
    return *Format::create(*generation);
  }
  static Result<ReadNotebook> read(const FormatPtr& format, std::string text) {
    return format->read(std::make_shared<const std::string>(std::move(text)));
  }
  // What one call said after the next ones were let rest by the back-off.
  static Result<ReadNotebook> read_when_rested(const FormatPtr& format, const std::string& text) {
    for (const auto end = clock::now_ms() + 60'000; clock::now_ms() < end;) {
      auto result = read(format, text);
      if (result || result.error().status != 503) return result;
      std::this_thread::yield();
    }
    return fail(504, "timeout", "it never woke");
  }
  std::unique_ptr<Registry> registry_ = std::make_unique<Registry>(options());
};

TEST_F(Isolation, AFormatAndAPolicyWorkThroughTheProxy) {
  const auto ipynb = format("format-ipynb");
  ASSERT_TRUE(ipynb);
  EXPECT_THAT(ipynb->extensions(), ::testing::Contains(".ipynb"));
  const auto bytes = std::make_shared<const std::string>(
      R"({"cells":[{"cell_type":"code","id":"a","metadata":{"k":1.0},"source":["1 + 1"],"outputs":[],"execution_count":null}],)"
      R"("metadata":{},"nbformat":4,"nbformat_minor":5})");
  const auto notebook = ipynb->read(bytes);
  ASSERT_TRUE(notebook) << notebook.error().message;
  ASSERT_EQ(notebook->cells.size(), 1u);
  EXPECT_EQ(notebook->cells[0].source, "1 + 1");
  EXPECT_EQ(notebook->cells[0].metadata, R"({"k":1.0})");
  EXPECT_GE(notebook->cells[0].metadata.data(), bytes->data()) << "text of the file is not copied";
  EXPECT_LT(notebook->cells[0].metadata.data(), bytes->data() + bytes->size());
  const auto report = ipynb->generation()->report();
  EXPECT_TRUE(report.isolated);
  EXPECT_GT(report.pid, 1);
  EXPECT_GT(report.memory_bytes, 1u << 20);
  EXPECT_GE(report.calls, 1u);
}

TEST_F(Isolation, EveryWayToDieCostsOneCallAndIsBlamedInWords) {
  const std::pair<const char*, const char*> ways[] = {
      {"segv", sanitized ? "its process" : "SIGSEGV"},
      {"abort", "SIGABRT"},
      {"exit", "by itself with code 7"},
      {"exec", "SIGSYS"},
      {"fork", "SIGSYS"},
      {"socket", "SIGSYS"},
  };
  for (const auto& [how, blame] : ways) {
    registry_ = std::make_unique<Registry>(options());  // nobody rests after the first death
    const auto format = this->format("crashing-format");
    ASSERT_TRUE(format);
    const auto dead = read(format, how);
    ASSERT_FALSE(dead) << how;
    EXPECT_EQ(dead.error().code, "format_failed") << how;
    EXPECT_THAT(dead.error().message, HasSubstr(blame)) << how;
    EXPECT_EQ(format->generation()->report().failures, 1u) << how;
    const auto alive = read(format, "hello");
    ASSERT_TRUE(alive) << how << ": " << alive.error().message;
    EXPECT_EQ(alive->cells[0].source, "hello");
    EXPECT_EQ(format->generation()->report().restarts, 1u) << how;
  }
}

/// The processes this one has, but for those that have ended.
std::vector<pid_t> children() {
  std::vector<pid_t> out;
  for (const auto& entry : testing::fs::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string stat = testing::read_file(entry.path() / "stat");
    stat.erase(0, stat.rfind(')') + 1);  // the program's name may hold anything
    char state = 0;
    long parent = 0;
    if (std::sscanf(stat.c_str(), " %c %ld", &state, &parent) == 2 && parent == ::getpid() && state != 'Z')
      out.push_back(std::stoi(name));
  }
  return out;
}

TEST_F(Isolation, AFileThatIsSlowToReadHoldsUpNoOther) {
  const auto format = this->format("crashing-format");
  ASSERT_TRUE(format);
  auto slow = std::async(std::launch::async, [&] { return read(format, "wait"); });
  for (const auto end = clock::now_ms() + 60'000; children().size() < 2 && clock::now_ms() < end;) {
    const auto other = read(format, "hello");
    ASSERT_TRUE(other) << other.error().message;
  }
  const auto quick = read(format, "pid");
  ASSERT_TRUE(quick) << quick.error().message;
  const auto pids = children();
  EXPECT_EQ(pids.size(), 2u);
  EXPECT_EQ(slow.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  for (const auto pid : pids) {
    if (std::to_string(pid) != quick->cells[0].source) ::kill(pid, SIGKILL);
  }
  const auto dead = slow.get();
  ASSERT_FALSE(dead);
  EXPECT_THAT(dead.error().message, HasSubstr("SIGKILL"));
  EXPECT_TRUE(read(format, "hello"));
}

TEST_F(Isolation, NoMoreThanThreeProcessesReadFilesOfAFormat) {
  const auto format = this->format("crashing-format");
  ASSERT_TRUE(format);
  std::vector<std::future<bool>> readers;
  for (int i = 0; i < 8; ++i) {
    readers.push_back(std::async(std::launch::async, [&] {
      for (int n = 0; n < 20; ++n) {
        if (!read(format, "hello")) return false;
      }
      return true;
    }));
  }
  for (auto& reader : readers) EXPECT_TRUE(reader.get());
  EXPECT_LE(children().size(), isolation::Remote::most_of_a_format);
  EXPECT_EQ(format->generation()->report().restarts, 0u) << "one more is no restart";
}

TEST_F(Isolation, AMemoryBombEndsInItsOwnProcess) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's address space cannot be limited";
  auto limited = options();
  limited.limits.memory_bytes = 256u << 20;
  registry_ = std::make_unique<Registry>(limited);
  const auto format = this->format("crashing-format");
  const auto dead = read(format, "bomb");
  ASSERT_FALSE(dead);
  EXPECT_EQ(dead.error().status, 500);
  EXPECT_TRUE(read_when_rested(format, "hello"));
}

TEST_F(Isolation, AChildThatWasKilledFromOutsideIsStartedAgain) {
  const auto format = this->format("crashing-format");
  ASSERT_TRUE(read(format, "hello"));
  const auto pid = static_cast<pid_t>(format->generation()->report().pid);
  ASSERT_GT(pid, 1);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  const auto next = read_when_rested(format, "hello");  // may be the one that finds it dead
  if (!next) {
    EXPECT_THAT(next.error().message, HasSubstr("SIGKILL"));
  }
  EXPECT_TRUE(read_when_rested(format, "hello"));
  EXPECT_NE(format->generation()->report().pid, pid);
}

TEST_F(Isolation, OneThatHangsWhileNobodyAsksIsFoundByItsHeartbeat) {
  auto quick = options();
  quick.limits.beat_ms = 200;
  registry_ = std::make_unique<Registry>(quick);
  const auto format = this->format("crashing-format");
  ASSERT_TRUE(read(format, "hello"));
  const auto& generation = format->generation();
  const auto pid = static_cast<pid_t>(generation->report().pid);
  ASSERT_GT(pid, 1);
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  // The registry's own heartbeat may have its turn just then.
  for (const auto end = clock::now_ms() + 60'000; generation->report().pid != 0 && clock::now_ms() < end;)
    (void)generation->remote()->beat();
  EXPECT_EQ(generation->report().pid, 0);
  EXPECT_NE(::kill(pid, 0), 0) << "it was ended";
  const auto next = read_when_rested(format, "hello");
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_GE(generation->report().restarts, 1u);
}

TEST_F(Isolation, TheSystemHoldsItsProcess) {
  const auto format = this->format("crashing-format");
  ASSERT_TRUE(read(format, "hello"));
  const testing::fs::path process = "/proc/" + std::to_string(format->generation()->report().pid);
  const auto status = testing::read_file(process / "status"), limits = testing::read_file(process / "limits");
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n")) << "a filter";
  EXPECT_THAT(limits, ::testing::ContainsRegex("Max cpu time +3600 "));
  EXPECT_THAT(limits, ::testing::ContainsRegex("Max core file size +0 "));
  EXPECT_THAT(limits, ::testing::ContainsRegex("Max open files +32 "));
  EXPECT_THAT(limits, ::testing::ContainsRegex("Max file size +0 "));
  if (!sanitized) {
    EXPECT_THAT(limits, ::testing::ContainsRegex("Max address space +1073741824 "));
  }
}

TEST_F(Isolation, ItSeesNeitherFilesNorTheHostsEnvironment) {
  ::setenv("LECTERN_TEST_SECRET", "x", 1);
  const auto format = this->format("crashing-format");
  for (const auto& [how, said] :
       {std::pair{"write-file", "refused"}, std::pair{"read-file", "refused"}, std::pair{"environment", "clean"}}) {
    if (sanitized && std::string_view(how) == "read-file") continue;
    const auto notebook = read(format, how);
    ASSERT_TRUE(notebook) << how << ": " << notebook.error().message;
    EXPECT_EQ(notebook->cells[0].source, said) << how;
  }
  ::unsetenv("LECTERN_TEST_SECRET");
}

TEST_F(Isolation, WhileItIsLoadedItReadsNothingOfTheUsers) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's child may read more";
  if (!testing::has_landlock())
    GTEST_SKIP() << "this kernel has no Landlock: a library that is being loaded reads what the user can read";
  testing::write_file(temporary_.path() / "state" / "tokens", "secret");
  const auto format = this->format("prying");
  ASSERT_TRUE(format);
  for (const auto& [what, said] :
       {std::pair{"secret", "refused"}, std::pair{"passwords", "refused"}, std::pair{"linked", "read"}}) {
    const auto notebook = read(format, what);
    ASSERT_TRUE(notebook) << notebook.error().message;
    EXPECT_EQ(notebook->cells[0].source, said) << what;
  }
}

TEST_F(Isolation, AThreadStartedWhileLoadingIsHeldToTheSameRules) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's child may read more";
  const auto format = this->format("prying");
  ASSERT_TRUE(format);
  const auto notebook = read(format, "thread");
  ASSERT_TRUE(notebook) << notebook.error().message;
  EXPECT_EQ(notebook->cells[0].source, "refused") << "no file is opened once the library is loaded, by no thread";
}

TEST_F(Isolation, WhatItWritesToItsStandardErrorIsLoggedCleanedAndBounded) {
  const auto format = this->format("prying");
  ASSERT_TRUE(format);
  testing::write_file(temporary_.path() / "log", "");
  const int file = ::open((temporary_.path() / "log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(file, STDERR_FILENO);  // a regular file: a size limit of 0 must not end the child
  const auto said = read(format, "say");
  const auto flooded = read(format, "flood");
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(file);
  ASSERT_TRUE(said) << said.error().message;
  ASSERT_TRUE(flooded) << flooded.error().message;
  const auto log = testing::read_file(temporary_.path() / "log");
  EXPECT_THAT(log, HasSubstr("info plugin prying [2Jprying says hello\n"));
  EXPECT_EQ(log.find('\x1b'), std::string::npos);
  EXPECT_THAT(log, HasSubstr("prying never ends"));
  EXPECT_LT(log.size(), 64u << 10);
}

TEST_F(Isolation, ALibraryThatDiesWhenItIsLoadedIsRefusedWithTheReason) {
  const auto refused = registry_->load(Kind::policy, "crashing-start");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "plugin_died");
  if (!sanitized) {
    EXPECT_THAT(refused.error().message, HasSubstr("SIGSEGV"));
  }
}

TEST_F(Isolation, WhatIsTrustedIsTriedInAProcessOfItsOwnBeforeItIsLoaded) {
  auto trusting = options();
  trusting.trust = std::nullopt;
  registry_ = std::make_unique<Registry>(trusting);
  registry_->probe_from_now_on();
  const auto refused = registry_->load(Kind::policy, "crashing-start");
  ASSERT_FALSE(refused) << "loaded into this process it would have ended it";
  EXPECT_EQ(refused.error().code, "probe_failed");
  EXPECT_EQ(refused.error().status, 422);
  EXPECT_EQ((*registry_->load(Kind::policy, "local-takeover"))->remote(), nullptr);
  EXPECT_TRUE(registry_->load(Kind::transport, "transport-sse"));
}

TEST_F(Isolation, ACopyThatIsHeldIsNotPruned) {
  const auto generation = registry_->load(Kind::format, "format-ipynb");
  ASSERT_TRUE(generation);
  const auto left_over = temporary_.path() / "state" / "plugins" / std::string(64, '0');
  testing::fs::create_directory(left_over);
  EXPECT_EQ(registry_->prune(), 1u);
  EXPECT_FALSE(testing::fs::exists(left_over));
  EXPECT_TRUE(testing::fs::exists(temporary_.path() / "state" / "plugins" / (*generation)->sha256()));
}

TEST_F(Isolation, APolicyThatLoopsIsEndedAndItsObjectIsMadeAgain) {
  auto generation = registry_->load(Kind::policy, "crashing-policy");
  ASSERT_TRUE(generation) << generation.error().message;
  const auto policy = Policy::create(*generation, "{}");
  ASSERT_TRUE(policy) << policy.error().message;
  RoomSnapshot room;
  room.members.emplace_back().id = 1;
  room.requests.emplace_back();
  room.requests[0].id = 5;
  room.requests[0].from = 1;
  room.requests[0].reason = "loop";
  PolicyEvent event;
  event.kind = EventKind::requested;
  event.who = 1;
  event.request = 5;
  const auto hung = (*policy)->reduce("", room, event);
  ASSERT_FALSE(hung);
  EXPECT_THAT(hung.error().message, HasSubstr("did not answer within"));
  room.requests[0].reason = "please";
  const auto fine = (*policy)->reduce("", room, event);
  ASSERT_TRUE(fine) << fine.error().message;
  ASSERT_EQ(fine->effects.size(), 1u);
  EXPECT_EQ(fine->effects[0].kind, EffectKind::resolve);
  EXPECT_TRUE(fine->effects[0].allow);
}

TEST_F(Isolation, AnObjectThatTheNextProcessRefusesTakesNoOtherAlong) {
  auto patient = options();
  patient.limits.quick_settings_ms = 60'000;  // on a busy machine too, both live in one process
  registry_ = std::make_unique<Registry>(patient);
  auto generation = registry_->load(Kind::policy, "crashing-policy");
  ASSERT_TRUE(generation) << generation.error().message;
  const auto first_pid = (*generation)->report().pid;
  const auto easy = Policy::create(*generation, "{}");
  ASSERT_TRUE(easy);
  std::string known = ",";  // the one that decides, and the one that takes settings first
  for (const auto pid : children()) known += std::to_string(pid) + ",";
  const auto picky = Policy::create(*generation, R"({"only_in": ")" + known + "\"}");
  ASSERT_TRUE(picky) << picky.error().message;
  RoomSnapshot room;
  room.members.emplace_back().id = 1;
  room.requests.emplace_back();
  room.requests[0].id = 5;
  room.requests[0].from = 1;
  room.requests[0].reason = "abort";
  PolicyEvent event;
  event.kind = EventKind::requested;
  event.who = 1;
  event.request = 5;
  EXPECT_FALSE((*easy)->reduce("", room, event));
  room.requests[0].reason = "please";
  const auto fine = (*easy)->reduce("", room, event);
  ASSERT_TRUE(fine) << fine.error().message;
  const auto second_pid = (*generation)->report().pid;
  EXPECT_NE(second_pid, first_pid);
  const auto refused = (*picky)->reduce("", room, event);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("did not take the settings"));
  EXPECT_TRUE((*easy)->reduce("", room, event));
  EXPECT_EQ((*generation)->report().pid, second_pid) << "nobody died of it";
}

TEST_F(Isolation, SettingsThatTakeLongToBeTakenHoldUpNoDecision) {
  auto generation = registry_->load(Kind::policy, "crashing-policy");
  ASSERT_TRUE(generation) << generation.error().message;
  const auto quick = Policy::create(*generation, "{}");
  ASSERT_TRUE(quick);
  RoomSnapshot room;
  room.members.emplace_back().id = 1;
  PolicyEvent event;
  event.kind = EventKind::joined;
  event.who = 1;
  ASSERT_TRUE((*quick)->reduce("", room, event));
  auto slow = std::async(std::launch::async, [&] { return Policy::create(*generation, R"({"slow_ms": 2500})"); });
  int decided = 0;
  while (slow.wait_for(std::chrono::seconds(0)) == std::future_status::timeout) {
    ASSERT_TRUE((*quick)->reduce("", room, event));
    ++decided;
  }
  EXPECT_GT(decided, 3);
  const auto made = slow.get();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE((*made)->reduce("", room, event)) << "it decides in the process that took its settings";
  EXPECT_TRUE((*quick)->reduce("", room, event));
}

TEST_F(Isolation, AChildThatBreaksTheRulesOfTheSocketIsEnded) {
  for (const auto& [how, blame] :
       {std::pair{"drip", "did not answer within"}, std::pair{"deaf", "went on after it was refused"},
        std::pair{"boast", "announced a frame of 5242880 bytes"}}) {
    registry_ = std::make_unique<Registry>(options());
    auto generation = registry_->load(Kind::policy, "crashing-policy");
    ASSERT_TRUE(generation) << generation.error().message;
    const auto policy = Policy::create(*generation, "{}");
    ASSERT_TRUE(policy);
    RoomSnapshot room;
    room.members.emplace_back().id = 1;
    room.requests.emplace_back();
    room.requests[0].id = 5;
    room.requests[0].from = 1;
    room.requests[0].reason = how;
    PolicyEvent event;
    event.kind = EventKind::requested;
    event.who = 1;
    event.request = 5;
    const auto ended = (*policy)->reduce("", room, event);
    ASSERT_FALSE(ended) << how;
    EXPECT_THAT(ended.error().message, HasSubstr(blame)) << how;
  }
}

TEST_F(Isolation, DeathsInARowAreAnsweredByLongerRests) {
  auto generation = registry_->load(Kind::policy, "crashing-policy");
  const auto policy = Policy::create(*generation, "{}");
  ASSERT_TRUE(policy);
  RoomSnapshot room;
  room.members.emplace_back().id = 1;
  room.requests.emplace_back();
  room.requests[0].id = 5;
  room.requests[0].from = 1;
  room.requests[0].reason = "abort";
  PolicyEvent event;
  event.kind = EventKind::requested;
  event.request = 5;
  EXPECT_FALSE((*policy)->reduce("", room, event));
  EXPECT_FALSE((*policy)->reduce("", room, event)) << "the first restart comes at once";
  const auto resting = (*policy)->reduce("", room, event);
  ASSERT_FALSE(resting);
  EXPECT_THAT(resting.error().message, HasSubstr("2 times in a row"));
}

TEST_F(Isolation, WhatIsTrustedRunsInTheHostAndOtherKindsAreRefusedWithTheCommand) {
  const auto library = testing::shipped / "local-takeover" / "local-takeover.so";
  const auto list = temporary_.path() / "config" / "trusted-plugins";
  const auto hash = library_hash(library);
  ASSERT_TRUE(hash) << hash.error().message;
  ASSERT_TRUE(trust(list, *hash, library.string()));
  ASSERT_TRUE(trust(list, *hash, library.string())) << "twice is once";
  EXPECT_EQ(testing::read_file(list), *hash + "  " + library.string() + "\n");
  auto trusting = options();
  trusting.trust->users = list;
  registry_ = std::make_unique<Registry>(trusting);
  EXPECT_EQ((*registry_->load(Kind::policy, "local-takeover"))->remote(), nullptr);
  EXPECT_NE((*registry_->load(Kind::policy, "collaborative"))->remote(), nullptr);

  EXPECT_NE((*registry_->load(Kind::transport, "transport-websocket"))->remote(), nullptr);

  ASSERT_TRUE(*untrust(list, *hash));
  EXPECT_FALSE(*untrust(list, *hash));
  EXPECT_NE((*registry_->load(Kind::policy, "local-takeover"))->remote(), nullptr) << "the list is read again";

  ASSERT_TRUE(trust(list, *hash, library.string()));
  ::chmod(list.c_str(), 0666);
  EXPECT_FALSE(is_trusted(*trusting.trust, *hash)) << "a list that others may write is worth nothing";
}

TEST_F(Isolation, ATrustedPluginCanBeIsolatedByName) {
  auto named = options();
  named.trust = std::nullopt;
  named.isolate = {"collaborative", "transport-sse"};
  registry_ = std::make_unique<Registry>(named);
  EXPECT_NE((*registry_->load(Kind::policy, "collaborative"))->remote(), nullptr);
  EXPECT_EQ((*registry_->load(Kind::policy, "local-takeover"))->remote(), nullptr);
  EXPECT_NE((*registry_->load(Kind::transport, "transport-sse"))->remote(), nullptr);
}

TEST_F(Isolation, WithoutTheProgramThePluginIsRefusedAndSaysWhy) {
  auto without = options();
  without.plugin_host = "/nowhere/lectern-plugin-host";
  registry_ = std::make_unique<Registry>(without);
  const auto refused = registry_->load(Kind::policy, "collaborative");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "plugin_host_missing");
}

}  // namespace
}  // namespace lectern::plugin
