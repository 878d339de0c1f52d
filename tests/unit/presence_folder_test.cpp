// The folder backend as it is loaded, and two hosts that see each other through it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "plugin/presence.hpp"
#include "plugin/registry.hpp"
#include "plugin_support.hpp"
#include "presence/device.hpp"
#include "presence/service.hpp"

namespace lectern::presence {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string pattern = (fs::temp_directory_path() / "lectern-presence-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    plugin::RegistryOptions options{{fs::path(LECTERN_TEST_PLUGINS)}, base_ / "staging"};
    if (plugin::testing::isolated_run()) options = plugin::testing::isolating(std::move(options));
    registry_ = std::make_unique<plugin::Registry>(std::move(options));
  }
  ~FolderTest() override {
    registry_.reset();
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  void SetUp() override {
    if (plugin::testing::isolated_run() && !plugin::testing::has_landlock())
      GTEST_SKIP() << "this kernel has no Landlock: presence backends cannot be isolated";
  }
  [[nodiscard]] fs::path root() const { return base_ / "shared"; }
  Result<std::shared_ptr<plugin::PresenceBackend>> open() {
    auto generation = registry_->load(plugin::Kind::presence, "presence-folder");
    if (!generation) return fail(generation.error());
    return plugin::PresenceBackend::open(*generation, R"({"folder":")" + root().string() + "\"}");
  }
  static std::string record(const std::string& device, const std::string& instance, std::uint64_t seq = 1) {
    Record out;
    out.device_id = device;
    out.instance_id = instance;
    out.seq = seq;
    out.ttl_ms = 60'000;
    return write_record(out);
  }
  void put(const fs::path& where, const std::string& text) {
    fs::create_directories((root() / "v1" / where).parent_path());
    std::ofstream(root() / "v1" / where) << text;
  }
  fs::path base_;
  std::unique_ptr<plugin::Registry> registry_;
};

TEST_F(FolderTest, OneFilePerInstancePrivateAndWhole) {
  auto backend = open();
  ASSERT_TRUE(backend.has_value()) << backend.error().message;
  ASSERT_TRUE((*backend)->publish("dev-a", "boot1", record("dev-a", "boot1")).has_value());
  const auto file = root() / "v1/dev-a/boot1.json";
  struct stat about {};
  ASSERT_EQ(::stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((root() / "v1/dev-a").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
  EXPECT_EQ(std::distance(fs::directory_iterator(root() / "v1/dev-a"), {}), 1) << "no temporary file stays";
  const auto snapshot = (*backend)->snapshot();
  ASSERT_TRUE(snapshot.has_value());
  ASSERT_EQ(snapshot->records.size(), 1u);
  EXPECT_EQ(snapshot->records[0].record, record("dev-a", "boot1"));
}

TEST_F(FolderTest, WhatIsNobodysRecordIsIgnoredOrCounted) {  // I21, F1, F5, F10
  auto backend = open();
  ASSERT_TRUE((*backend)->publish("dev-a", "boot1", record("dev-a", "boot1")).has_value());
  put("dev-a/.boot2.json.tmp", record("dev-a", "boot2"));
  put("dev-a/.hidden.json", record("dev-a", ".hidden"));
  put("dev-a/notes.txt", "mine");
  put("dev-a/boot3.tmp", record("dev-a", "boot3"));
  put("dev-a/boot1.sync-conflict-20261121-120000-ABC.json", record("dev-a", "boot1", 99));
  put("dev-a/foreign.json", record("dev-b", "foreign"));
  put("dev-a/other-name.json", record("dev-a", "boot9"));
  put("dev-a/huge.json", std::string(300'000, ' '));
  put("dev-a/empty.json", "");
  put("secret", record("dev-a", "linked"));
  fs::create_symlink(root() / "v1/secret", root() / "v1/dev-a/linked.json");
  fs::create_directory_symlink(root() / "v1/dev-a", root() / "v1/dev-link");
  ASSERT_EQ(::mkfifo((root() / "v1/dev-a/pipe.json").c_str(), 0600), 0);
  const auto snapshot = (*backend)->snapshot();
  ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
  ASSERT_EQ(snapshot->records.size(), 1u);
  EXPECT_EQ(snapshot->records[0].origin, "dev-a/boot1.json");
  std::string origins;
  for (const auto& rejected : snapshot->rejected) origins += rejected.origin + " ";
  for (const auto* name : {"sync-conflict", "foreign", "other-name", "huge", "empty", "linked", "pipe", "dev-link"}) {
    EXPECT_NE(origins.find(name), std::string::npos) << name << " is not among " << origins;
  }
}

TEST_F(FolderTest, ReadersSeeTheOldOrTheNewNeverAMixture) {  // I22
  auto backend = open();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t seq = 1; seq <= 300; ++seq) {
      (void)(*backend)->publish("dev-a", "boot1", record("dev-a", "boot1", seq));
    }
    done = true;
  });
  std::uint64_t last = 0;
  while (!done) {
    const auto snapshot = (*backend)->snapshot();
    ASSERT_TRUE(snapshot.has_value());
    EXPECT_TRUE(snapshot->rejected.empty()) << snapshot->rejected.front().reason;
    if (snapshot->records.empty()) continue;
    const auto parsed = parse_record(snapshot->records[0].record);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_GE(parsed->seq, last);
    last = parsed->seq;
  }
  writer.join();
}

TEST_F(FolderTest, RemoveTouchesOneFileOnly) {  // I23
  auto backend = open();
  (void)(*backend)->publish("dev-a", "boot1", record("dev-a", "boot1"));
  (void)(*backend)->publish("dev-a", "boot2", record("dev-a", "boot2"));
  (void)(*backend)->publish("dev-b", "boot1", record("dev-b", "boot1"));
  ASSERT_TRUE((*backend)->remove("dev-a", "boot1").has_value());
  ASSERT_TRUE((*backend)->remove("dev-a", "boot1").has_value()) << "gone is gone";
  EXPECT_EQ((*backend)->snapshot()->records.size(), 2u);
  EXPECT_FALSE((*backend)->remove("..", "boot1").has_value());
  EXPECT_FALSE((*backend)->publish("dev-a", "../../x", record("a", "b")).has_value());
}

TEST_F(FolderTest, AFolderOthersMayWriteToIsRefused) {
  fs::create_directories(root());
  ASSERT_EQ(::chmod(root().c_str(), 0777), 0);
  const auto backend = open();
  ASSERT_FALSE(backend.has_value());
  EXPECT_NE(backend.error().message.find("others on this machine"), std::string::npos) << backend.error().message;
}

/// One host's presence.
struct Host {
  Host(std::shared_ptr<plugin::PresenceBackend> backend, std::string device, std::string machine)
      : service({std::move(device), "Name of " + machine, machine, 50}) {
    service.add_backend(std::move(backend));
    service.on_changed([this] {
      const std::scoped_lock lock(mutex);
      ++changes;
      changed.notify_all();
    });
    service.set_endpoints({{"wss", "10.0.0.1:8899", "lan", {}, 0}});
  }
  bool wait_for_rows(std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 60s, [&] { return service.remote_sessions().size() == count; });
  }
  std::mutex mutex;
  std::condition_variable changed;
  int changes = 0;
  Service service;  // last: its threads use the others
};

TEST_F(FolderTest, TwoHostsSeeEachOtherComeAndGo) {
  Host reader(*open(), "dev-a", "machine-a");
  reader.service.start();
  {
    Host writer(*open(), "dev-b", "machine-b");
    writer.service.set_sessions({{"s1", {}, "Analysis", "idle", false, 1}, {"s2", {}, "", "busy", true, 2}});
    writer.service.start();
    ASSERT_TRUE(reader.wait_for_rows(2)) << reader.service.json();
    EXPECT_EQ(reader.service.remote_sessions()[0].session_id, "s2") << "newest first";
    EXPECT_EQ(reader.service.remote_sessions()[0].device_name, "Name of machine-b");
    EXPECT_TRUE(writer.service.remote_sessions().empty()) << "nobody sees himself";
    EXPECT_EQ(reader.service.find("s1")->title, "Analysis");
    EXPECT_EQ(reader.service.find("nobody").error().code, "remote_session_not_found");
    reader.service.set_attached({{"s1", {}}});
    ASSERT_TRUE(reader.wait_for_rows(1)) << "what is attached here is no remote session";
    reader.service.set_attached({});
    ASSERT_TRUE(reader.wait_for_rows(2));
  }
  EXPECT_TRUE(reader.wait_for_rows(0)) << "a host that ends says so";
}

TEST_F(FolderTest, AKilledHostsRowsGoWhenItsNextRunStarts) {  // F7
  Host reader(*open(), "dev-a", "machine-a");
  reader.service.start();
  // A process of another device that is gone by now, and left its record.
  const auto child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  Record left;
  left.device_id = "dev-b";
  left.instance_id = "killed";
  left.seq = 7;
  left.ttl_ms = 120'000;
  left.written_at_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  left.machine = "machine-b";
  left.pid = static_cast<std::uint64_t>(child);
  left.pid_started = 1;
  left.endpoints = {{"wss", "10.0.0.1:8899", "lan", {}, 0}};
  left.sessions = {{"s1", {}, "", "idle", false, 1}};
  put("dev-b/killed.json", write_record(left));
  ASSERT_TRUE(reader.wait_for_rows(1));
  Host again(*open(), "dev-b", "machine-b");
  again.service.start();
  EXPECT_TRUE(reader.wait_for_rows(0));
}

TEST_F(FolderTest, AFolderThatGoesAwayIsDegradedNotEmpty) {
  Host writer(*open(), "dev-b", "machine-b");
  writer.service.set_sessions({{"s1", {}, "Analysis", "idle", false, 1}});
  Host reader(*open(), "dev-a", "machine-a");
  writer.service.start();
  reader.service.start();
  ASSERT_TRUE(reader.wait_for_rows(1));
  fs::rename(root(), base_ / "away");
  std::ofstream(root()) << "a file in its place";
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (reader.service.backends().front().ok && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  const auto report = reader.service.backends().front();
  EXPECT_FALSE(report.ok);
  EXPECT_FALSE(report.problem.empty());
  EXPECT_EQ(reader.service.remote_sessions().size(), 1u) << "the last good list stays, and ages";
}

TEST_F(FolderTest, TheDeviceKeepsItsIdAndItsName) {
  const auto first = device_id(base_ / "state");
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_EQ(first->size(), 32u);
  EXPECT_EQ(*device_id(base_ / "state"), *first);
  std::ofstream(base_ / "state/device-id") << "rubbish";
  EXPECT_EQ(device_id(base_ / "state").error().code, "device_id_damaged");
  EXPECT_EQ(device_name("  Ada's desk\n"), device_name("Ada's desk"));
  EXPECT_FALSE(device_name("").empty());
  EXPECT_EQ(device_name("").find('.'), std::string::npos);
}

}  // namespace
}  // namespace lectern::presence
