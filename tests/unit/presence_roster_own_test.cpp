// What the list of remote sessions makes of this device's own hosts.
#include "presence_roster_support.hpp"

namespace lectern::presence::testing {
namespace {

TEST_F(RosterTest, NeverATwinOfALocalSession) {  // I2
  auto record = record_of(clock_, "dev-a", "remote-1");
  record.sessions[0].lineage = {"root", "middle", "tip"};
  for (const auto& id : {"remote-1", "root", "middle", "tip"}) {
    roster_.set_local({{id, {}}});
    ++record.seq;
    see({record});
    EXPECT_TRUE(roster_.rows().empty()) << id;
    roster_.set_local({});
    EXPECT_TRUE(roster_.refresh(clock_.now)) << "and it is back when the local one is gone";
    EXPECT_EQ(roster_.rows().size(), 1u);
  }
  roster_.set_local({{"local", {"middle"}}});
  roster_.refresh(clock_.now);
  EXPECT_TRUE(roster_.rows().empty()) << "the local one's own lineage counts too";
}

TEST_F(RosterTest, NeverOurOwn) {  // I3
  see({record_of(clock_, "me", "s1")});
  EXPECT_TRUE(roster_.rows().empty());
}

TEST_F(RosterTest, WhereNothingIsOnItsWayWhatIsNotThereHasEnded) {
  const auto here = record_of(clock_, "dev-a", "s1"), other = record_of(clock_, "dev-b", "s2");
  const auto look = [&](const std::string& backend, const std::vector<Record>& records, std::int64_t lag_ms) {
    std::vector<FoundRecord> found;
    for (const auto& record : records) found.push_back({record.device_id, write_record(record)});
    roster_.observe(backend, found, lag_ms, clock_.now);
    roster_.refresh(clock_.now);
    return roster_.rows().size();
  };
  EXPECT_EQ(look("local", {here}, 0), 1u);
  EXPECT_EQ(look("folder", {here, other}, lag), 2u);
  EXPECT_EQ(look("local", {}, 0), 1u) << "gone at once, whatever the folder still holds";
  EXPECT_EQ(look("folder", {here, other}, lag), 1u);
  auto beat = here;
  ++beat.seq;
  EXPECT_EQ(look("folder", {beat, other}, lag), 2u) << "unless it goes on writing";
  EXPECT_EQ(look("local", {}, 0), 2u);
  EXPECT_EQ(look("folder", {}, lag), 2u) << "what a folder does not list ages";
}

TEST_F(RosterTest, OurOwnDevicesOtherHostIsListedWhereItIsKnownToRun) {
  Roster roster({"me", "my-machine", "boot-mine", "this-boot"});
  auto own = record_of(clock_, "me", "s-own"), beside = record_of(clock_, "me", "s-beside");
  own.instance_id = "boot-mine";
  beside.instance_id = "boot-beside";
  own.endpoints = beside.endpoints = {{"ws", "127.0.0.1:8900", "loopback", {}, 0}};
  const std::vector<FoundRecord> found{{"own", write_record(own)}, {"beside", write_record(beside)}};
  roster.observe("folder", found, lag, clock_.now);
  roster.refresh(clock_.now);
  EXPECT_TRUE(roster.rows().empty()) << "a copied file proves nobody alive";
  roster.observe("local", found, 0, clock_.now);
  roster.refresh(clock_.now);
  ASSERT_EQ(roster.rows().size(), 1u);
  EXPECT_EQ(roster.rows()[0].session_id, "s-beside");
  EXPECT_TRUE(roster.clashes(clock_.now).empty());
}

TEST_F(RosterTest, LeftoversAreThoseThatThisBackendListsNow) {
  auto record = record_of(clock_, "me", "s1");
  record.machine = "my-machine";
  EXPECT_TRUE(roster_.own_others("folder").empty());
  see({record});
  EXPECT_EQ(roster_.own_others("folder").size(), 1u);
  EXPECT_TRUE(roster_.own_others("local").empty());
  roster_.observe("local", {{"x", write_record(record)}}, 0, clock_.now);
  EXPECT_TRUE(roster_.own_others("folder").empty()) << "it runs beside us";
  roster_.observe("local", {}, 0, clock_.now);
  EXPECT_TRUE(roster_.own_others("local").empty());
  EXPECT_EQ(roster_.own_others("folder").size(), 1u);
  see({});
  EXPECT_TRUE(roster_.own_others("folder").empty()) << "removed is done with";
}

}  // namespace
}  // namespace lectern::presence::testing
