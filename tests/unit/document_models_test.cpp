// The Automerge document of widget models, without a session.
#include <gtest/gtest.h>

#include "document/models_document.hpp"

namespace lectern::document {
namespace {

using Path = std::vector<std::string>;

TEST(ModelsDocument, BeginsWithTheFrozenChangeAndSaysWhatChanged) {
  auto document = ModelsDocument::create();
  ASSERT_TRUE(document) << document.error().message;
  const auto start = document->heads();
  ASSERT_EQ(start.size(), 1u);
  EXPECT_EQ(start[0].hex(), "59e6107683328412635b4c868124e9c4014704de086aef822a58c07d85153a57");
  EXPECT_EQ(document->commit().value(), "") << "nothing was set";
  ASSERT_TRUE(document->set(Path{"m"}, R"({"seq":1,"state":{}})"));
  ASSERT_TRUE(document->set(Path{"m", "state", "value"}, "3"));
  const auto first = document->commit();
  ASSERT_TRUE(first && !first->empty());
  const auto between = document->heads();
  ASSERT_TRUE(document->set(Path{"m"}, std::nullopt));
  const auto second = document->commit();
  ASSERT_TRUE(second && !second->empty());
  EXPECT_EQ(document->changes_since(start)->size(), 2u);
  EXPECT_EQ(*document->changes_since(between), std::vector<std::string>{*second});
  ChangeHash stranger = start[0];
  stranger.bytes[0] ^= 1;
  EXPECT_EQ(document->changes_since(std::vector{stranger}).error().code, "unknown_heads");
  EXPECT_FALSE(document->save()->empty());
}

TEST(ModelsDocument, WhatItCannotHoldIsRefusedAndNothingElseIsLost) {
  auto document = ModelsDocument::create();
  ASSERT_TRUE(document);
  ASSERT_TRUE(document->set(Path{"m"}, R"({"state":{}})"));
  const auto refused = document->set(Path{"m", "state", "deep"}, std::string(70, '[') + std::string(70, ']'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 400);
  ASSERT_TRUE(document->set(Path{"m", "state", "deep"}, "null"));
  EXPECT_FALSE(document->commit()->empty());
}

TEST(ModelsDocument, TwoConversationsOfSyncingBringAPeerUpToDateAndTakeNothing) {
  auto document = ModelsDocument::create();
  ASSERT_TRUE(document->set(Path{"m"}, "{}"));
  ASSERT_TRUE(document->commit());
  auto peer = ModelsDocument::create();
  auto here = ModelsDocument::start_sync(), there = ModelsDocument::start_sync();
  EXPECT_EQ(document->receive(here, "nonsense").error().status, 400);
  ASSERT_TRUE(peer->set(Path{"mine"}, "{}"));
  ASSERT_TRUE(peer->commit());
  const auto heads = document->heads();
  for (int round = 0; round < 10; ++round) {
    const auto asked = peer->next_message(there);
    if (!asked->empty()) {
      ASSERT_TRUE(document->receive(here, *asked));
    }
    const auto answer = document->next_message(here);
    if (asked->empty() && answer->empty()) break;
    if (!answer->empty()) {
      ASSERT_TRUE(peer->receive(there, *answer));
    }
  }
  EXPECT_EQ(document->heads(), heads) << "the host's document is the host's";
}

}  // namespace
}  // namespace lectern::document
