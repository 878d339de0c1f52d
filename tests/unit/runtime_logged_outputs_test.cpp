// Outputs made again of what viewers were told of them.
#include <gtest/gtest.h>

#include <string>

#include "../support/notebook_formats.hpp"
#include "base/workers.hpp"
#include "runtime/logged_outputs.hpp"
#include "runtime/outputs.hpp"

namespace lectern::runtime {
namespace {

class LoggedOutputsTest : public ::testing::Test {
 protected:
  bool told(const std::string& ops) { return logged_.apply("c", R"({"cell_id":"c","outputs":)" + ops + "}"); }
  std::string in_file() {
    const auto cells = logged_.cells();
    return cells.contains("c") ? *outputs_for_file(*cells.at("c"), blobs_) : "left out";
  }
  test::TemporaryFolder folder_;
  Workers workers_{1};
  BlobStore blobs_{folder_.path(), workers_};
  LoggedOutputs logged_;
};

TEST_F(LoggedOutputsTest, AddUpToWhatTheStoreSaves) {
  OutputStore store(blobs_, {64, 1u << 20, 100});
  const auto tell = [&] {
    const auto ops = store.take_ops("c");
    if (!ops.empty()) {
      EXPECT_TRUE(told(ops)) << ops;
    }
  };
  store.begin("c");
  store.stream("c", "stdout", "one\ntwo");
  tell();
  store.stream("c", "stdout", "\rTWO\n\"three\"");
  tell();
  store.stream("c", "stderr", "\x1b[31mred\n");
  store.stream("c", "stdout", "four\n");
  tell();
  ASSERT_TRUE(store.add("c", R"({"output_type":"display_data","data":{"text/plain":"first"},"metadata":{}})", "d"));
  tell();
  (void)store.update_display("d",
                             R"({"data":{"text/plain":")" + std::string(200, 'x') + R"("},"metadata":{"n":1.50}})");
  tell();
  store.stream("c", "stdout", "five");
  tell();
  store.stream("c", "stdout", "\x08\x08ve and more");
  tell();
  const auto saved = store.to_nbformat("c").text(blobs_);
  ASSERT_TRUE(saved.has_value());
  EXPECT_EQ(in_file(), *saved);
  EXPECT_NE(saved->find("1.50"), std::string::npos);

  store.clear("c", true);
  store.stream("c", "stdout", "anew");
  tell();
  EXPECT_EQ(in_file(), *store.to_nbformat("c").text(blobs_));
}

TEST_F(LoggedOutputsTest, WhatDoesNotFitLeavesTheCellOutForGood) {
  for (const auto* ops : {R"([{"op":"append_text","index":0,"text":"x"}])",
                          R"([{"op":"replace","index":-1,"output":{}}])", R"([{"op":"else"}])"}) {
    logged_ = {};
    EXPECT_TRUE(told(R"([{"op":"clear"}])"));
    EXPECT_FALSE(told(ops));
    EXPECT_FALSE(told(R"([{"op":"clear"}])"));
    EXPECT_EQ(in_file(), "left out");
  }
}

TEST_F(LoggedOutputsTest, OnlyAStreamGrows) {
  EXPECT_TRUE(told(R"([{"op":"append","output":{"output_type":"error","ename":"E","evalue":"","traceback":[]}}])"));
  EXPECT_FALSE(told(R"([{"op":"append_text","index":0,"text":"x"}])"));
}

TEST_F(LoggedOutputsTest, SayWhatIsMissing) {
  EXPECT_TRUE(told(R"([{"op":"append","output":{"output_type":"display_data","data":{"image/png":{"$blob":")" +
                   std::string(64, 'a') + R"(","size":9}},"metadata":{}}},{"op":"cut"}])"));
  const auto text = in_file();
  EXPECT_NE(text.find("an output of this cell was lost"), std::string::npos) << text;
  EXPECT_NE(text.find("what this cell said after this was lost"), std::string::npos) << text;
}

TEST_F(LoggedOutputsTest, HaveTheLastCountThatWasToldOfTheRunThatShowsThem) {
  EXPECT_TRUE(logged_.apply("c", R"({"execution_count":3,"outputs":[]})"));
  EXPECT_TRUE(told(R"([{"op":"append","output":{"output_type":"stream","name":"stdout","text":"x"}}])"));
  EXPECT_EQ(logged_.cells().at("c")->execution_count, 3);
  EXPECT_TRUE(logged_.apply("c", R"({"execution_count":3,"outputs":[{"op":"clear"}]})"));
  EXPECT_EQ(logged_.cells().at("c")->execution_count, 3);
  EXPECT_TRUE(logged_.apply("c", R"({"outputs":[{"op":"clear"}]})")) << "the next run, which the kernel has not begun";
  EXPECT_EQ(logged_.cells().at("c")->execution_count, std::nullopt);
}

TEST_F(LoggedOutputsTest, KnowNothingOfACellThatWasDropped) {
  EXPECT_TRUE(told(R"([{"op":"append","output":{"output_type":"stream","name":"stdout","text":"x"}}])"));
  EXPECT_TRUE(told(R"([{"op":"drop"}])"));
  EXPECT_TRUE(logged_.cells().empty());
  EXPECT_TRUE(told(R"([{"op":"append","output":{"output_type":"stream","name":"stdout","text":"y"}}])"));
  EXPECT_EQ(logged_.cells().at("c")->outputs.size(), 1U);
}

}  // namespace
}  // namespace lectern::runtime
