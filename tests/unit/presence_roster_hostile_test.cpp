// Records that are damaged, forged or made to mislead.
#include "presence_roster_support.hpp"

namespace lectern::presence::testing {
namespace {

TEST_F(RosterTest, OneBadRecordHurtsNobodyElse) {  // I21
  const auto good = write_record(record_of(clock_, "dev-a", "s1"));
  const std::vector<FoundRecord> found{{"a", good},
                                       {"b", good.substr(0, good.size() / 2)},
                                       {"c", ""},
                                       {"d", "[]"},
                                       {"e", "{\"schema\":99}"},
                                       {"f", "\xff\xfe"},
                                       {"g", std::string(100, '[')},
                                       {"h", "{\"schema\":1,\"device_id\":\"../x\"}"},
                                       {"i", std::string(300'000, ' ')},
                                       {"j", "{\"schema\":1,\"device_id\":\"d\",\"instance_id\":\"i\",\"seq\":-1}"},
                                       {"k", "{\"schema\":1,\"device_id\":\"d\",\"instance_id\":\"i\",\"seq\":NaN}"}};
  roster_.observe("folder", found, lag, clock_.now);
  roster_.refresh(clock_.now);
  EXPECT_EQ(roster_.rows().size(), 1u);
  EXPECT_EQ(roster_.rejected().size(), 10u);
  for (const auto& rejected : roster_.rejected()) EXPECT_FALSE(rejected.reason.empty());
}

TEST_F(RosterTest, AClonedDeviceIsToldAndNeitherListedNorTakenForALeftover) {  // F8
  Roster roster({"me", "my-machine", "mine", "my-boot"});
  auto clone = record_of(clock_, "me", "s1");
  clone.machine = "my-machine";  // of the same image
  clone.boot = "its-boot";
  const auto look = [&] {
    roster.observe("folder", {{"x", write_record(clone)}}, lag, clock_.now);
    roster.refresh(clock_.now);
    return roster.clashes(clock_.now).size();
  };
  EXPECT_EQ(look(), 0u) << "an older run of ours looks the same";
  clock_.pass(10'000);
  ++clone.seq;
  EXPECT_EQ(look(), 1u) << "but it does not go on writing";
  EXPECT_EQ(roster.clashes(clock_.now)[0].device_name, "Laptop");
  EXPECT_TRUE(roster.rows().empty());
  for (int i = 0; i < 200; ++i) {
    clock_.pass(2'000);
    look();
  }
  EXPECT_EQ(look(), 0u) << "it is over when the other stops";
}

TEST_F(RosterTest, MadeUpHostsDoNotFillTheMemory) {  // F9
  Roster roster({"me", "my-machine", "", "", 200});
  const auto look = [&](int round, int hosts) {
    std::vector<FoundRecord> found;
    for (int i = 0; i < hosts; ++i) {
      auto record = record_of(clock_, "dev-" + std::to_string(round) + "-" + std::to_string(i), "s");
      found.push_back({record.device_id, write_record(record)});
    }
    roster.observe("folder", found, lag, clock_.now);
    clock_.pass(2'000);
    return roster.rejected().size();
  };
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(look(round, 90), 0u) << "those that are listed no more make room";
  }
  EXPECT_EQ(look(5, 250), 50u) << "what is too much is said";
  roster.refresh(clock_.now);
  EXPECT_EQ(roster.rows().size(), 1u);
}

TEST_F(RosterTest, NumbersAndNamesThatLeadInwardsAreNotDialled) {
  auto record = record_of(clock_, "dev-a", "s1");
  for (const auto* address :
       {"2130706433:80", "0x7f.1:80", "127.1:80", "0177.0.0.1:80", "localhost.:80", "x.localhost:80", "0:80",
        "metadata.google.internal:80", "[fd00:ec2::254]:80", "[64:ff9b::a9fe:a9fe]:80", "[::ffff:169.254.169.254]:80",
        "[::127.0.0.1]:80", "168.63.129.16:80", "100.100.100.200:80", "[not-v6]:80", "255.255.255.255:80"}) {
    record.endpoints = {{"ws", address, "lan", {}, 0}};
    ++record.seq;
    see({record});
    EXPECT_TRUE(roster_.rows().empty()) << address;
  }
  for (const auto* address : {"10.0.0.7:80", "[fd00::7]:80", "desk.local:80", "8.8.8.8:80", "[2001:db8::1]:80"}) {
    record.endpoints = {{"ws", address, "lan", {}, 0}};
    ++record.seq;
    see({record});
    EXPECT_EQ(roster_.rows().size(), 1u) << address;
  }
}

TEST_F(RosterTest, TextsOfOthersAreSafeToShow) {  // F10
  auto record = record_of(clock_, "dev-a", "s1");
  record.device_name = "a\x1b[31m\nb\xE2\x80\xAE" + std::string(10'000, 'x');
  record.sessions[0].title = std::string(10'000, 'y');
  see({record});
  const auto& row = roster_.rows().at(0);
  EXPECT_EQ(row.device_name.find_first_of("\x1b\n"), std::string::npos);
  EXPECT_EQ(row.device_name.find("\xE2\x80\xAE"), std::string::npos) << "no text that runs backwards";
  EXPECT_LE(row.device_name.size(), 64u);
  EXPECT_LE(row.title.size(), 200u);
}

}  // namespace
}  // namespace lectern::presence::testing
