// Whose run a message of a kernel belongs to that an earlier host spoke with.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "../../plugins/jupyter-messages/conversation.hpp"
#include "../../plugins/jupyter-messages/publishing.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace jupyter {
namespace {

class ConversationTest : public ::testing::Test {
 protected:
  ConversationTest() {
    out_.struct_size = sizeof out_;
    out_.ctx = &told_;
    out_.event = [](void* ctx, std::uint64_t, const lectern_runtime_event* event) noexcept {
      static_cast<std::vector<std::uint64_t>*>(ctx)->push_back(event->execution);
    };
  }
  /// The run under which it is told what a callback of this comm prints.
  std::uint64_t prints(Conversation& talk, const std::string& comm) {
    KernelMessage message;
    message.type = "stream";
    message.parent_id = "s_c" + comm;
    message.content = R"({"name":"stdout","text":"x"})";
    talk.on_iopub(message);
    return told_.back();
  }
  static void opens(Conversation& talk, const std::string& comm, const std::string& parent) {
    KernelMessage message;
    message.type = "comm_open";
    message.parent_id = parent;
    const auto content = R"({"comm_id":")" + comm + R"(","target_name":"jupyter.widget","data":{}})";
    message.content = content;
    talk.on_iopub(message);
  }

  std::vector<std::uint64_t> told_;
  lectern_runtime_out out_{};
};

TEST_F(ConversationTest, AWidgetOfAnEarlierHostIsItsMakersAndNoOthers) {
  Conversation talk(1, lectern::sdk::RuntimeEvents(&out_));
  talk.go_on("s", 7, 1ull << 32, Conversation::makers_in(R"({"life":1,"running":7,"comms":{"a":3,"b":0},"others":7})"));
  EXPECT_EQ(prints(talk, "a"), 3u);
  EXPECT_EQ(prints(talk, "b"), 0u) << "known, but not whose";
  EXPECT_EQ(prints(talk, "c"), 7u);
  opens(talk, "c", "s_x9");
  EXPECT_EQ(prints(talk, "c"), 9u);
}

TEST_F(ConversationTest, OneOfWhichNobodyKnowsTheMakerIsNotTheRunningRuns) {
  Conversation talk(1, lectern::sdk::RuntimeEvents(&out_));
  talk.go_on("s", 7, 1ull << 32, Conversation::makers_in(R"({"life":1,"running":7,"comms":{"a":3}})"));
  EXPECT_EQ(prints(talk, "a"), 3u);
  EXPECT_EQ(prints(talk, "old"), 0u);
  opens(talk, "new", "s_x7");
  EXPECT_EQ(prints(talk, "new"), 7u);
  talk.begin("s");
  EXPECT_EQ(prints(talk, "a"), 0u) << "of another process";
}

TEST_F(ConversationTest, WhatAKernelIsToldByTheHostIsNobodysOutputAndNoRun) {
  Conversation talk(1, lectern::sdk::RuntimeEvents(&out_));
  talk.begin("s");
  for (const auto* type : {"status", "stream", "error", "execute_reply"}) {
    KernelMessage message;
    message.type = type;
    message.parent_id = "s_k1";
    message.content = R"({"execution_state":"busy","name":"stdout","text":"x","status":"error"})";
    message.type == "execute_reply" ? talk.on_shell(message) : talk.on_iopub(message);
  }
  EXPECT_TRUE(told_.empty());
  EXPECT_FALSE(talk.busy());
}

TEST(Publishing, OnlyIPythonsKernelsAreToldToHoldMore) {
  const auto told = hold_what_is_published(R"({"implementation":"ipython","language_info":{"name":"python"}})");
  ASSERT_TRUE(told.has_value());
  EXPECT_TRUE(lectern::sdk::json::valid(*told)) << *told;
  EXPECT_FALSE(hold_what_is_published(R"({"implementation":"xeus-python","language_info":{"name":"python"}})"));
  EXPECT_FALSE(hold_what_is_published("{}"));
}

}  // namespace
}  // namespace jupyter
