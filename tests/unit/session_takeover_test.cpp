// The pen: who gets it first, how it passes, who keeps it while away.
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionTakeoverTest : public SessionTest {};

TEST_F(SessionTakeoverTest, FirstTabEditsLaterOnesInteract) {
  start();
  auto first = tab(), second = tab();
  const auto one = first->await("kernel-ready"), two = second->await("kernel-ready");
  EXPECT_TRUE(edits(one.data));
  EXPECT_EQ(number_of(one.data, "epoch"), 1u);
  EXPECT_FALSE(edits(two.data));
  EXPECT_TRUE(flag_of(at(two.data, {"consumer_capabilities"}), "interact"));
  EXPECT_EQ(text_of(one.data, "replay"), "snapshot");
  EXPECT_EQ(at(one.data, {"notebook", "cells"}).as_array()->size(), 2u);
  EXPECT_EQ(text_of(one.data, "device_name"), "testbed");
  first->await("replay-complete");
  EXPECT_EQ(first->all().front().op, "kernel-ready");
}

TEST_F(SessionTakeoverTest, SettingMakesLaterTabsViewers) {
  Settings settings;
  settings.policy_config = R"({"secondary":"viewer"})";
  start(settings);
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  const auto two = second->await("kernel-ready");
  EXPECT_FALSE(edits(two.data));
  EXPECT_FALSE(flag_of(at(two.data, {"consumer_capabilities"}), "interact"));
  EXPECT_TRUE(flag_of(second->command("takeover"), "ok"));
  const auto lost = first->await("consumer-capabilities");
  EXPECT_FALSE(flag_of(at(lost.data, {"consumer_capabilities"}), "interact"));
}

TEST_F(SessionTakeoverTest, ThereAndBackTenTimesNobodyIsDisconnected) {
  start();
  auto first = tab(), second = tab(), third = tab();
  const auto ready = first->await("kernel-ready");
  second->await("kernel-ready");
  third->await("kernel-ready");
  Tab* holder = first.get();
  Tab* other = second.get();
  for (std::uint64_t epoch = 2; epoch < 12; ++epoch) {
    const auto won = other->command("takeover");
    ASSERT_TRUE(flag_of(won, "ok"));
    EXPECT_EQ(number_of(won, "epoch"), epoch);
    EXPECT_TRUE(edits(won));
    const auto lost = holder->await("consumer-capabilities");
    EXPECT_FALSE(edits(lost.data));
    EXPECT_EQ(text_of(lost.data, "reason"), "taken_over");
    EXPECT_FALSE(lost.seq.has_value());
    third->await([&](const Received& one) { return one.op == "room-state" && number_of(one.data, "epoch") == epoch; },
                 "room-state");
    std::swap(holder, other);
  }
  EXPECT_FALSE(first->closed() || second->closed() || third->closed());
  for (const auto& one : third->all()) EXPECT_NE(one.op, "consumer-capabilities");
}

TEST_F(SessionTakeoverTest, WinnerIsToldByEventToo) {
  start();
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  second->send(R"({"id":"x","command":"takeover","body":{}})");
  const auto gained = second->await("consumer-capabilities");
  EXPECT_TRUE(edits(gained.data));
  EXPECT_EQ(number_of(gained.data, "epoch"), 2u);
  EXPECT_TRUE(flag_of(second->reply("x"), "ok"));
}

TEST_F(SessionTakeoverTest, HolderGetsItsOwnEpochAndNoEvents) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  first->await("replay-complete");
  first->await("room-state");  // of its own joining, at the end of that turn: the last thing to come by itself
  const auto before = first->all().size();
  const auto again = first->command("takeover", R"({"if_epoch":77})");
  EXPECT_TRUE(flag_of(again, "ok"));
  EXPECT_EQ(number_of(again, "epoch"), 1u);
  first->settle();
  EXPECT_EQ(first->all().size(), before + 1);
}

TEST_F(SessionTakeoverTest, OfTwoRacersOneWins) {
  start();
  auto first = tab(), second = tab(), third = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  third->await("kernel-ready");
  for (std::uint64_t round = 0; round < 20; ++round) {
    // Alternate the pen back to the first so that both racers are outsiders.
    first->command("takeover");
    const auto epoch = number_of(first->command("takeover"), "epoch");
    const auto body = "{\"if_epoch\":" + std::to_string(epoch) + "}";
    const auto id = "race" + std::to_string(round);
    second->on_loop([] {});
    second->send("{\"id\":\"" + id + "\",\"command\":\"takeover\",\"body\":" + body + "}");
    third->send("{\"id\":\"" + id + "\",\"command\":\"takeover\",\"body\":" + body + "}");
    const auto two = second->reply(id), three = third->reply(id);
    EXPECT_NE(flag_of(two, "ok"), flag_of(three, "ok"));
    const auto& loser = flag_of(two, "ok") ? three : two;
    const auto& winner = flag_of(two, "ok") ? two : three;
    EXPECT_EQ(error_code(loser), "stale_epoch");
    EXPECT_EQ(number_of(at(loser, {"error"}), "status"), 409u);
    EXPECT_EQ(number_of(at(loser, {"error", "details"}), "epoch"), number_of(winner, "epoch"));
  }
}

TEST_F(SessionTakeoverTest, ViewOnlyAndNarrowScopesAreDenied) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  auto kiosk = tab(Tab::How(R"({"view_only":"1"})"));
  kiosk->await("kernel-ready");
  EXPECT_EQ(error_code(kiosk->command("takeover")), "denied");
  Tab::How narrow;
  narrow.scope = 2;
  auto guest = tab(narrow);
  guest->await("kernel-ready");
  const auto denied = guest->command("takeover");
  EXPECT_EQ(error_code(denied), "denied");
  EXPECT_EQ(number_of(at(denied, {"error"}), "status"), 403u);
}

TEST_F(SessionTakeoverTest, ViewOnlyTabAloneIsNeverHandedThePen) {
  start();
  auto kiosk = tab(Tab::How(R"({"view_only":"1"})"));
  EXPECT_FALSE(edits(kiosk->await("kernel-ready").data));
}

TEST_F(SessionTakeoverTest, ReloadKeepsThePen) {
  start();
  auto first = tab(), second = tab();
  const auto ready = first->await("kernel-ready");
  second->await("kernel-ready");
  first->cut(true);
  const auto away = second->await(
      [](const Received& one) { return one.op == "room-state" && !text_of(one.data, "reserved_until").empty(); },
      "room-state with a reservation");
  EXPECT_EQ(text_of(at(away.data, {"editor"}), "client_id"), text_of(at(ready.data, {"client"}), "id"));
  Tab::How back;
  back.key = Tab::key_of(ready);
  auto again = tab(back);
  const auto returned = again->await("kernel-ready");
  EXPECT_TRUE(edits(returned.data));
  EXPECT_EQ(number_of(returned.data, "epoch"), 1u);
  EXPECT_TRUE(flag_of(returned.data, "resumed"));
  EXPECT_TRUE(at(returned.data, {"client", "secret"}).is_null());
}

TEST_F(SessionTakeoverTest, PenIsFreeWhenTheReservationEnds) {
  Settings settings;
  settings.reservation_lost_ms = 50;
  start(settings);
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  first->cut(false);
  second->await([](const Received& one) { return one.op == "room-state" && at(one.data, {"editor"}).is_null(); },
                "room-state without an editor");
  auto third = tab();
  EXPECT_TRUE(edits(third->await("kernel-ready").data));
}

TEST_F(SessionTakeoverTest, ReleaseFreesThePen) {
  start();
  auto first = tab(), second = tab();
  first->await("kernel-ready");
  second->await("kernel-ready");
  EXPECT_EQ(error_code(first->command("release")), "epoch_required");
  EXPECT_TRUE(flag_of(first->command("release", "{}", 1), "ok"));
  second->await([](const Received& one) { return one.op == "room-state" && at(one.data, {"editor"}).is_null(); },
                "room-state without an editor");
  EXPECT_EQ(error_code(first->command("release", "{}", 1)), "stale_epoch");
  EXPECT_EQ(number_of(second->command("takeover"), "epoch"), 2u);
}

TEST_F(SessionTakeoverTest, NewestConnectionOfAClientWins) {
  start();
  auto first = tab();
  const auto ready = first->await("kernel-ready");
  Tab::How same;
  same.key = Tab::key_of(ready);
  auto copy = tab(same);
  const auto again = copy->await("kernel-ready");
  EXPECT_TRUE(edits(again.data));
  EXPECT_EQ(number_of(again.data, "incarnation"), 2u);
  EXPECT_EQ(first->await_close(), std::make_pair(std::uint16_t{4001}, std::string("REPLACED")));
}

TEST_F(SessionTakeoverTest, KeyAsFirstFrameAndAWrongSecret) {
  start();
  auto first = tab();
  const auto ready = first->await("kernel-ready");
  const auto id = text_of(at(ready.data, {"client"}), "id");
  first->cut(true);
  auto back = tab(Tab::How("{\"client_id\":\"" + id + "\"}"));
  back->send("{\"client\":\"" + Tab::key_of(ready) + "\"}");
  EXPECT_EQ(text_of(at(back->await("kernel-ready").data, {"client"}), "id"), id);
  auto thief = tab(Tab::How("{\"client_id\":\"" + id + "\"}"));
  thief->send("{\"client\":\"" + id + ".wrong\"}");
  EXPECT_EQ(thief->await_close().first, 1008);
}

TEST_F(SessionTakeoverTest, ARevokedTokenBringsNobodyInWhoStillWaitsForATurn) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  std::promise<Result<CommandReply>> member, waiting;
  auto member_answer = member.get_future(), waiting_answer = waiting.get_future();
  // In one turn: the first is with the policy, the second in the queue behind it.
  session_->loop().dispatch([&] {
    session_->make_client({"a", "program", false, 3, "ada", {}},
                          [&](auto reply) { member.set_value(std::move(reply)); });
    session_->make_client({"b", "program", false, 3, "ada", {}},
                          [&](auto reply) { waiting.set_value(std::move(reply)); });
    session_->revoke("ada");
  });
  const auto refused = waiting_answer.get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 401);
  EXPECT_FALSE(member_answer.get());
}

TEST_F(SessionTakeoverTest, ClientWithoutASocketTakesOver) {
  Settings settings;
  settings.client_without_socket_ms = 60'000;
  start(settings);
  auto first = tab();
  first->await("kernel-ready");
  auto made = ask<CommandReply>([&](Reply<CommandReply> reply) {
    session_->make_client({"script", "program", false, 3, "owner", {}}, std::move(reply));
  });
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->status, 201);
  const auto body = json::parse(made->json);
  EXPECT_FALSE(edits(*body));
  CommandRequest request;
  request.client_key = text_of(at(*body, {"client"}), "id") + "." + text_of(at(*body, {"client"}), "secret");
  request.name = "takeover";
  auto won =
      ask<CommandReply>([&](Reply<CommandReply> reply) { session_->command(std::move(request), std::move(reply)); });
  ASSERT_TRUE(won) << won.error().message;
  EXPECT_EQ(number_of(*json::parse(won->json), "epoch"), 2u);
  EXPECT_FALSE(edits(first->await("consumer-capabilities").data));
}

TEST_F(SessionTakeoverTest, EpochsRiseOverARestart) {
  std::string key;
  start();
  {
    auto first = tab();
    const auto ready = first->await("kernel-ready");
    key = Tab::key_of(ready);
    EXPECT_EQ(number_of(ready.data, "epoch"), 1u);
  }
  TearDown();
  start();
  Tab::How back;
  back.key = key;
  auto again = tab(back);
  const auto ready = again->await("kernel-ready");
  EXPECT_GT(number_of(ready.data, "epoch"), 1'000u);
  EXPECT_EQ(text_of(at(ready.data, {"client"}), "id") + ".", key.substr(0, key.find('.') + 1));
  EXPECT_EQ(error_code(again->command("save", "{}", 1)), "stale_epoch");
}

}  // namespace
}  // namespace lectern::session::testing
