// A room so large that telling everybody who is in it takes more than one turn.
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionLargeRoomTest : public SessionTest {};

TEST_F(SessionLargeRoomTest, EverybodyGetsTheWholeRoom) {
  constexpr std::size_t people = 220;  // 30 kB of room-state to each: four slices
  start();
  std::vector<std::unique_ptr<Tab>> tabs;
  for (std::size_t i = 0; i < people; ++i) {
    tabs.push_back(tab(Tab::How("{\"label\":\"" + std::string(70, 'n') + std::to_string(i) + "\"}")));
  }
  for (auto& one : tabs) {
    one->await(
        [](const Received& frame) {
          const auto members = at(frame.data, {"members"});
          return frame.op == "room-state" && members.as_array() != nullptr && members.as_array()->size() == people;
        },
        "room-state of everybody");
  }
  // What changes while a round is under way comes with the next.
  tabs.front()->send(R"({"id":"f","command":"focus","body":{"cell_id":"b"}})");
  for (std::size_t i = 1; i < people; i += 73) {
    tabs[i]->await(
        [](const Received& frame) {
          const auto members = at(frame.data, {"members"});
          return frame.op == "room-state" && members.as_array() != nullptr &&
                 text_of(members.as_array()->front(), "cell_id") == "b";
        },
        "room-state with the editor's place");
  }
}

}  // namespace
}  // namespace lectern::session::testing
