// What is published of this host, and when.
#include "presence_roster_support.hpp"

namespace lectern::presence::testing {
namespace {

TEST(Publisher, BeatsAndNoMoreOftenThanAllowed) {
  Clock clock;
  Publisher publisher({"dev", "Name", "boot", "machine"}, lag, 1'000);
  EXPECT_EQ(publisher.ttl_ms(), 120'000);
  EXPECT_EQ(publisher.beat_ms(), 30'000);
  ASSERT_TRUE(publisher.due(clock.now));
  EXPECT_FALSE(publisher.due(clock.now)) << "nothing changed";
  publisher.set_sessions({{"s", {}, "A", "idle", false, 1}});
  EXPECT_FALSE(publisher.due(clock.now)) << "too soon";
  clock.pass(1'000);
  const auto second = publisher.due(clock.now);
  ASSERT_TRUE(second);
  EXPECT_EQ(parse_record(*second)->seq, 2u);
  clock.pass(29'999);
  EXPECT_FALSE(publisher.due(clock.now));
  clock.pass(1);
  EXPECT_TRUE(publisher.due(clock.now));
  publisher.failed();
  clock.pass(1'000);
  EXPECT_TRUE(publisher.due(clock.now)) << "what did not get through is tried again";
  publisher.failed();
  clock.pass(1'000);
  EXPECT_FALSE(publisher.due(clock.now)) << "less often the longer it fails";
  clock.pass(1'000);
  EXPECT_TRUE(publisher.due(clock.now));
  for (int i = 0; i < 40; ++i) publisher.failed();
  clock.pass(30'000);
  EXPECT_TRUE(publisher.due(clock.now)) << "but with each beat at least";
  publisher.arrived();
  clock.pass(29'999);
  EXPECT_FALSE(publisher.due(clock.now));
}

TEST(PresenceRecord, NoTokenGetsIntoIt) {  // I26
  Record record;
  record.device_id = "d";
  record.instance_id = "i";
  record.endpoints = {{"ws", "host:8899/?token=canary", "lan", {}, 0},
                      {"ws", "user:canary@host:8899", "lan", {}, 0},
                      {"wss", "host:8899", "lan", {"pairing"}, 0}};
  const auto text = write_record(record);
  EXPECT_EQ(text.find("canary"), std::string::npos);
  EXPECT_EQ(parse_record(text)->endpoints.size(), 1u);
}

TEST(PresenceRecord, ComesBackAsItWent) {
  Clock clock;
  auto record = record_of(clock, "dev", "s1", 17);
  record.sessions[0].lineage = {"n1", "n2"};
  record.pid = 42;
  record.pid_started = 7;
  const auto again = parse_record(write_record(record));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, record);
}

}  // namespace
}  // namespace lectern::presence::testing
