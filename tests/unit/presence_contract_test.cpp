// One contract for all presence backends: each with its real store, and the rules of the host above it on a clock of
// the test's own. F.., I..: the scenarios and invariants that docs/presence.md names.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "presence/publisher.hpp"
#include "presence/roster.hpp"
#include "presence_contract_support.hpp"

namespace lectern::presence {
namespace {

using testing::Backend;
using testing::Store;

struct Clock {
  Now now{1'000'000, 1'800'000'000'000};
  void pass(std::int64_t ms) {
    now.monotonic_ms += ms;
    now.wall_ms += ms;
  }
};

/// A host that publishes when the rules say so.
struct Peer {
  Peer(Backend backend_, const std::string& device, const std::string& instance = "boot1")
      : device_id(device),
        instance_id(instance),
        backend(std::move(backend_)),
        publisher({device, "Laptop of " + device, instance, "machine of " + device},
                  static_cast<std::int64_t>(backend->lag_ms()), static_cast<std::int64_t>(backend->min_period_ms())) {
    publisher.set_endpoints({{"wss", "10.0.0.7:8899", "lan", {"pairing"}, 0}});
  }
  void live(const std::vector<std::string>& ids, const Clock& clock) {
    std::vector<SessionEntry> sessions;
    sessions.reserve(ids.size());
    for (const auto& id : ids) sessions.push_back({id, {}, "Analysis", "idle", false, clock.now.wall_ms});
    publisher.set_sessions(std::move(sessions));
  }
  /// What it wrote; empty when nothing was due.
  std::string beat(Now now) {
    const auto record = publisher.due(now);
    return record ? write(*record) : std::string();
  }
  std::string end(Now now) { return write(publisher.ended(now)); }
  std::string write(const std::string& record) const {
    const auto done = backend->publish(device_id, instance_id, record);
    EXPECT_TRUE(done.has_value()) << done.error().message;
    return record;
  }
  std::string device_id, instance_id;
  Backend backend;
  Publisher publisher;
};

class Contract : public ::testing::TestWithParam<const char*> {
 protected:
  Contract() : store_(GetParam()) {}
  void SetUp() override {
    if (const auto why = store_.start(); !why.empty()) GTEST_SKIP() << why;
    reading_ = open();
    ASSERT_NE(reading_, nullptr);
    lag_ = static_cast<std::int64_t>(reading_->lag_ms());
  }
  Backend open() {
    auto made = store_.open();
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? *made : nullptr;
  }
  /// Reads the store as the service does; false when it cannot be read.
  bool look() {
    const auto found = reading_->snapshot();
    if (found) {
      std::vector<FoundRecord> records;
      for (const auto& one : found->records) records.push_back({one.origin, one.record});
      refused_ = found->rejected.size();
      roster_.observe(reading_->id(), records, lag_, clock_.now);
    }
    if (roster_.refresh(clock_.now)) ++changes_;
    return found.has_value();
  }
  std::size_t rows() {
    EXPECT_TRUE(look());
    return roster_.rows().size();
  }
  /// Time in which nobody writes and the reader looks every two seconds, at what it knows or at the store.
  void pass(std::int64_t ms) {
    for (; ms > 0; ms -= 2'000) {
      clock_.pass(std::min<std::int64_t>(ms, 2'000));
      if (roster_.refresh(clock_.now)) ++changes_;
    }
  }
  [[nodiscard]] bool exact() const { return lag_ == 0; }
  std::int64_t patience(const Peer& peer) const { return peer.publisher.ttl_ms() + lag_; }

  Clock clock_;
  Store store_;
  Backend reading_;
  Roster roster_{{"me", "my-machine", "my-instance", "my-boot"}};
  std::int64_t lag_ = 0;
  std::size_t refused_ = 0;
  int changes_ = 0;
};

TEST_P(Contract, ComesIsRenewedAndEnds) {  // I24, I25
  Peer peer(open(), "dev-a");
  EXPECT_EQ(rows(), 0u);
  peer.live({"s1", "s2"}, clock_);
  peer.beat(clock_.now);
  ASSERT_EQ(rows(), 2u) << "several sessions of one host are several rows";
  EXPECT_EQ(roster_.rows()[0].device_name, "Laptop of dev-a");
  const auto revision = roster_.revision();
  for (const auto until = clock_.now.monotonic_ms + 10 * peer.publisher.ttl_ms(); clock_.now.monotonic_ms < until;) {
    clock_.pass(peer.publisher.beat_ms() / 2);
    peer.beat(clock_.now);
    ASSERT_EQ(rows(), 2u);
  }
  EXPECT_EQ(roster_.revision(), revision) << "who is silent but alive neither goes nor flickers";
  const auto live = peer.end(clock_.now);
  EXPECT_EQ(rows(), 0u) << "a graceful end is seen at once";
}

TEST_P(Contract, OneBadRecordHurtsNobodyElse) {  // F1, F10, I21
  Peer peer(open(), "dev-a");
  peer.live({"s1"}, clock_);
  const auto good = peer.beat(clock_.now);
  const auto speaks = [](const std::string& instance, const std::string& more) {
    return R"({"schema":1,"device_id":"dev-j","instance_id":")" + instance + "\"," + more + "}";
  };
  const std::vector<std::pair<std::string, std::string>> junk{
      {"truncated", good.substr(0, good.size() / 2)},
      {"latin", "{\"device_id\":\"caf\xe9\"}"},
      {"deep", std::string(100'000, '[')},
      {"large", std::string(300'000, 'x')},
      {"forged", good},
      {"array", "[]"},
      {"minus", speaks("minus", R"("seq":-1,"state":"live","ttl_ms":1,"sessions":[])")},
      {"nan", speaks("nan", R"("seq":NaN,"state":"live","ttl_ms":1,"sessions":[])")},
      {"text", speaks("text", R"("seq":"7","state":"live","ttl_ms":1,"sessions":[])")},
      {"ttl", speaks("ttl", R"("seq":7,"state":"live","ttl_ms":1e999,"sessions":[])")},
      {"state", speaks("state", R"("seq":7,"state":"late","ttl_ms":1,"sessions":[])")},
      {"missing", speaks("missing", R"("seq":7,"state":"live","ttl_ms":1)")},
  };
  for (const auto& [instance, text] : junk) store_.plant("dev-j", instance, text);
  auto newer = good;
  newer.replace(newer.find("\"schema\":1"), 10, "\"schema\":99");
  newer.replace(newer.find("boot1"), 5, "boot9");
  store_.plant("dev-a", "boot9", newer);
  ASSERT_EQ(rows(), 1u);
  EXPECT_EQ(roster_.rows()[0].session_id, "s1");
  EXPECT_EQ(refused_ + roster_.rejected().size(), junk.size() + 1) << "each is counted, none is listed";
  for (const auto& one : roster_.rejected()) EXPECT_FALSE(one.reason.empty());
}

TEST_P(Contract, ReadersSeeTheOldOrTheNew) {  // F2, I22
  Peer peer(open(), "dev-a");
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 60; ++i) {
      peer.live(std::vector<std::string>(static_cast<std::size_t>(i % 2) * 100 + 1, "s"), clock_);
      Now at = clock_.now;
      at.monotonic_ms += i * 1'000'000;
      (void)peer.beat(at);
    }
    done = true;
  });
  std::uint64_t last = 0;
  while (!done) {
    const auto found = reading_->snapshot();
    if (!found) {
      ADD_FAILURE() << found.error().message;
      break;
    }
    EXPECT_TRUE(found->rejected.empty()) << found->rejected.front().reason;
    if (found->records.empty()) {
      EXPECT_EQ(last, 0u) << "what was there is never away for a moment";
      continue;
    }
    const auto record = parse_record(found->records[0].record);
    if (!record) {
      ADD_FAILURE() << record.error().message;
      break;
    }
    EXPECT_GE(record->seq, last);
    last = record->seq;
  }
  writer.join();
}

TEST_P(Contract, AWritersClockDecidesNothing) {  // F3
  for (const std::int64_t off : {-5ll * 365 * 86'400'000, -3'600'000ll, 3'600'000ll, 5ll * 365 * 86'400'000}) {
    Peer peer(open(), "dev-a", "boot" + std::to_string(off < 0 ? -off : off) + (off < 0 ? "-" : "_"));
    peer.live({"s1"}, clock_);
    const auto shifted = [&] { return Now{clock_.now.monotonic_ms, clock_.now.wall_ms + off}; };
    peer.beat(shifted());
    EXPECT_EQ(rows(), exact() ? 1u : 0u) << "it may be from long ago, unless nothing can be";
    clock_.pass(peer.publisher.beat_ms());
    peer.beat(shifted());
    EXPECT_EQ(rows(), 1u) << "it advances, so somebody is alive there";
    peer.end(shifted());
    EXPECT_EQ(rows(), 0u);
  }
}

TEST_P(Contract, LateDoubledAndResurrectedRecordsTurnNothingBack) {  // F4
  Peer peer(open(), "dev-a");
  peer.live({"s1"}, clock_);
  const auto first = peer.beat(clock_.now);
  clock_.pass(60'000);
  peer.live({"s1", "s2"}, clock_);
  const auto second = peer.beat(clock_.now);
  ASSERT_EQ(rows(), 2u);
  store_.plant("dev-a", "boot1", first);
  EXPECT_EQ(rows(), 2u) << "5, then 3";
  peer.end(clock_.now);
  ASSERT_EQ(rows(), 0u);
  store_.plant("dev-a", "boot1", second);
  EXPECT_EQ(rows(), 0u) << "ended stays ended";
}

TEST_P(Contract, APartitionIsStaleThenGoneThenLiveOnceEach) {  // F6, degraded is not empty
  Peer peer(open(), "dev-a");
  peer.live({"s1"}, clock_);
  peer.beat(clock_.now);
  ASSERT_EQ(rows(), 1u);
  ASSERT_EQ(changes_, 1);
  store_.take_away();
  EXPECT_FALSE(look()) << "a store that is away is an error, not an empty list";
  EXPECT_EQ(roster_.rows().size(), 1u);
  pass(patience(peer));
  EXPECT_EQ(changes_, 1);
  EXPECT_FALSE(roster_.rows().at(0).stale);
  pass(4'000);
  ASSERT_EQ(roster_.rows().size(), 1u);
  EXPECT_TRUE(roster_.rows().at(0).stale);
  pass(600'000);
  EXPECT_TRUE(roster_.rows().empty());
  EXPECT_EQ(changes_, 3) << "stale and gone, once each";
  store_.bring_back();
  // A backend may rest between its tries; that is in real time.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto record = peer.publisher.due(clock_.now);
  ASSERT_TRUE(record);
  bool written = false;
  while (!(written = peer.backend->publish("dev-a", "boot1", *record).has_value()) &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(written);
  while (!look() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  ASSERT_EQ(roster_.rows().size(), 1u);
  EXPECT_FALSE(roster_.rows()[0].stale);
  EXPECT_EQ(changes_, 4) << "live again, once";
}

TEST_P(Contract, AKilledHostGoesAndItsNextRunIsOneRow) {  // F7
  if (plugin::testing::isolated_run()) GTEST_SKIP() << "the process that keeps the lock is another";
  std::array<int, 2> told{};
  ASSERT_EQ(::pipe(told.data()), 0);
  reading_.reset();
  const auto child = ::fork();
  if (child == 0) {
    Peer peer(*store_.open(), "dev-a");
    peer.live({"s1"}, clock_);
    peer.beat(clock_.now);
    (void)!::write(told[1], "x", 1);
    for (;;) ::pause();
  }
  ::close(told[1]);
  char byte = 0;
  ASSERT_EQ(::read(told[0], &byte, 1), 1) << "the child ended";
  ::close(told[0]);
  reading_ = open();
  EXPECT_EQ(rows(), 1u);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(rows(), exact() ? 0u : 1u) << "gone at once where the system tells it";
  Peer again(open(), "dev-a", "boot2");
  again.live({"s1"}, clock_);
  clock_.pass(2'000);
  again.beat(clock_.now);
  ASSERT_EQ(rows(), 1u) << "no double row";
  EXPECT_EQ(roster_.rows()[0].instance_id, "boot2");
  pass(2 * patience(again) + 4'000);
  EXPECT_TRUE(roster_.rows().empty()) << "who only falls silent is gone in twice its time";
}

TEST_P(Contract, NobodyTouchesAnothersRecord) {  // F8, I23
  Peer one(open(), "dev-a"), two(open(), "dev-b"), three(open(), "dev-b", "boot2");
  for (auto* peer : {&one, &two, &three}) {
    peer->live({"of-" + peer->device_id + peer->instance_id}, clock_);
    peer->beat(clock_.now);
  }
  ASSERT_EQ(rows(), 3u);
  ASSERT_TRUE(two.backend->remove("dev-b", "boot1").has_value());
  ASSERT_TRUE(two.backend->remove("dev-b", "boot1").has_value()) << "gone is gone";
  const auto found = reading_->snapshot();
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->records.size(), 2u);
  for (const auto* id : {"..", "../../x", "", "a/b", "a.b", "a b", "A", "*", "a\n"}) {
    EXPECT_FALSE(two.backend->remove(id, "boot1").has_value()) << id;
    EXPECT_FALSE(two.backend->publish("dev-b", id, "{}").has_value()) << id;
  }
  EXPECT_EQ(reading_->snapshot()->records.size(), 2u);
}

TEST_P(Contract, TwoThousandSessionsOfTwentyDevices) {  // F9, I6
  const auto backend = open();
  for (int device = 0; device < 20; ++device) {
    Peer peer(backend, "dev-" + std::to_string(device));
    std::vector<std::string> ids;
    ids.reserve(100);
    for (int i = 0; i < 100; ++i) ids.push_back("s-" + std::to_string(device) + "-" + std::to_string(i));
    peer.live(ids, clock_);
    peer.beat(clock_.now);
  }
  ASSERT_EQ(rows(), 2'000u);
  for (const auto& row : roster_.rows()) ASSERT_EQ(roster_.find(row.session_id), &row);
  const auto revision = roster_.revision();
  EXPECT_EQ(rows(), 2'000u);
  EXPECT_EQ(roster_.revision(), revision) << "nothing changed";
}

TEST_P(Contract, ASeqAtItsEndFreezesNothing) {  // F10
  Peer peer(open(), "dev-a", "boot2");
  peer.live({"s1"}, clock_);
  auto hostile = peer.beat(clock_.now);
  hostile.replace(hostile.find("boot2"), 5, "boot1");
  hostile.replace(hostile.find("\"seq\":1"), 7, "\"seq\":18446744073709551615");
  hostile.replace(hostile.find("\"live\""), 6, "\"ended\"");
  store_.plant("dev-a", "boot1", hostile);
  EXPECT_EQ(rows(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Presence, Contract, ::testing::Values("presence-folder", "presence-local", "presence-redis"),
                         [](const auto& parameter) { return std::string(parameter.param).substr(9); });

}  // namespace
}  // namespace lectern::presence
