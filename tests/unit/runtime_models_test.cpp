// The model store, without a kernel.
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>

#include "base/loop.hpp"
#include "runtime/model_writes.hpp"
#include "runtime/models.hpp"

namespace lectern::runtime {
namespace {

class ModelsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto opened = store_.open(
        "m1", "jupyter.widget",
        R"({"state":{"value":1,"img":null,"arr":[1,null],"deep":{"a":{}}},"buffer_paths":[["img"],["arr",1]]})",
        {"IMG", "ARR"}, "cell-1");
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
  }
  Result<ClientWrite> write(const std::string& message, std::vector<std::string> buffers = {}) {
    auto written = store_.client_write("m1", *json::parse(message), std::move(buffers), "client-1");
    if (written) store_.apply(*written);
    return written;
  }
  ModelStore store_;
};

TEST_F(ModelsTest, JoinersGetOneOpenEachInOrder) {
  (void)store_.open("m0", "jupyter.widget", R"({"state":{}})", {}, "cell-2");
  const auto models = store_.snapshot();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].model_id, "m1") << "by creation, not by name";
  EXPECT_EQ(models[0].cell_id, "cell-1");
  EXPECT_EQ(*models[0].buffers[0], "IMG");
  EXPECT_EQ(models[0].data(),
            R"({"model_id":"m1","revision":1,"cell_id":"cell-1","message":{"method":"open","target":"jupyter.widget",)"
            R"("state":{"value":1,"img":null,"arr":[1,null],"deep":{"a":{}}},"buffer_paths":[["img"],["arr",1]]},)"
            R"("buffers":["SU1H","QVJS"]})");
}

TEST_F(ModelsTest, NumbersOfAnySizeStayAndWhatIsNoJsonIsNotTaken) {
  const std::string state =
      R"({"int64":-9223372036854775808,"uint64":18446744073709551615,"past_2_53":9007199254740993,"small":1e-300})";
  ASSERT_TRUE(store_.open("m2", "jupyter.widget", R"({"state":)" + state + "}", {}, "cell-1"));
  EXPECT_NE(store_.snapshot().back().data().find(state), std::string::npos) << store_.snapshot().back().data();
  for (const char* odd : {R"({"state":{"x":NaN}})", R"({"state":{"x":Infinity}})", "{\"state\":{\"x\":\"\xff\"}}"})
    EXPECT_FALSE(store_.open("m3", "jupyter.widget", odd, {}, "cell-1")) << odd;
  EXPECT_EQ(store_.snapshot().size(), 2u);
}

TEST_F(ModelsTest, AWriteIsRevisedMarkedAndPassedOn) {
  const auto written = write(R"({"method":"update","state":{"value":2.50},"buffer_paths":[]})");
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(written->event.origin, "client-1");
  EXPECT_EQ(written->event.revision, 2u);
  EXPECT_EQ(written->kernel_data(), R"({"method":"update","state":{"value":2.50},"buffer_paths":[]})");
  const auto open = store_.snapshot().front();
  EXPECT_EQ(open.message.find("state")->find("value")->as_number()->text, "2.50");
  EXPECT_EQ(open.message.find("state")->find("arr")->as_array()->size(), 2u) << "a patch leaves the other keys";
}

TEST_F(ModelsTest, APatchedKeyLosesItsOldBuffers) {
  ASSERT_TRUE(write(R"({"method":"update","state":{"arr":[5]},"buffer_paths":[]})").has_value());
  const auto open = store_.snapshot().front();
  ASSERT_EQ(open.buffers.size(), 1u);
  EXPECT_EQ(*open.buffers[0], "IMG");
  ASSERT_TRUE(write(R"({"method":"update","state":{"img":null},"buffer_paths":[["img"]]})", {"NEW"}).has_value());
  EXPECT_EQ(*store_.snapshot().front().buffers[0], "NEW");
}

TEST_F(ModelsTest, WrongWritesAreNamed) {
  const std::pair<const char*, std::vector<std::string>> bad[] = {
      {R"({"method":"update","state":{"img":null},"buffer_paths":[["img"]]})", {}},
      {R"({"method":"update","state":{"img":null},"buffer_paths":[]})", {"x"}},
      {R"({"method":"update","state":{"img":null}})", {"x"}},
      {R"({"method":"update","state":{"a":[1]},"buffer_paths":[["a",7]]})", {"x"}},
      {R"({"method":"update","state":{"a":1},"buffer_paths":[["a","b","c"]]})", {"x"}},
      {R"({"method":"update","state":{},"buffer_paths":[["a","b"]]})", {"x"}},
      {R"({"method":"update","state":{},"buffer_paths":[[]]})", {"x"}},
      {R"({"method":"update","state":{},"buffer_paths":"img"})", {}},
      {R"({"method":"update","state":[]})", {}},
      {R"({"method":"update"})", {}},
      {R"({"method":"close"})", {}},
      {R"({"state":{}})", {}},
      {R"({"method":"custom"})", {}},
      {R"({"method":"update","state":{"_esm":"alert"}})", {}},
      {R"({"method":"update","state":{},"buffer_paths":[["_esm"]]})", {"alert"}},
      {R"({"method":"update","state":{"_css":"x"}})", {}}};
  for (const auto& [message, buffers] : bad) {
    const auto refused = write(message, buffers);
    ASSERT_FALSE(refused.has_value()) << message;
    EXPECT_EQ(refused.error().status, 400) << message;
    EXPECT_NE(refused.error().message.find("message"), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(store_.snapshot().front().revision, 1u) << "and change nothing";
  EXPECT_EQ(store_.client_write("gone", *json::parse(R"({"method":"update","state":{}})"), {}, "c").error().status,
            404);
}

TEST_F(ModelsTest, TheKernelsEchoIsSwallowed) {
  ASSERT_TRUE(write(R"({"method":"update","state":{"value":9}})").has_value());
  EXPECT_TRUE(store_.message("m1", R"({"method":"echo_update","state":{"value":5}})", {})->empty());
  EXPECT_TRUE(store_.message("m1", R"({"method":"update","state":{"value":9},"buffer_paths":[]})", {})->empty())
      << "nothing changed";
  const auto corrected = store_.message("m1", R"({"method":"update","state":{"value":8},"buffer_paths":[]})", {});
  ASSERT_EQ(corrected->size(), 1u);
  EXPECT_TRUE(corrected->front().origin.empty());
  EXPECT_EQ(corrected->front().revision, 3u);
}

TEST_F(ModelsTest, CustomMessagesPassAndAreNotKept) {
  const auto custom = store_.message("m1", R"({"method":"custom","content":{"k":1}})", {"q"});
  ASSERT_EQ(custom->size(), 1u);
  EXPECT_FALSE(custom->front().recorded());
  EXPECT_EQ(
      custom->front().data(),
      R"({"model_id":"m1","revision":1,"cell_id":"cell-1","message":{"method":"custom","content":{"k":1}},"buffers":["cQ=="]})");
  EXPECT_TRUE(custom->front().data(false).ends_with(",\"buffers\":[]}"));
  EXPECT_EQ(store_.snapshot().size(), 1u);
  const auto sent = write(R"({"method":"custom","content":{"x":1}})", {"b"});
  EXPECT_EQ(sent->kernel_data(), R"({"method":"custom","content":{"x":1}})");
  EXPECT_EQ(sent->event.origin, "client-1");
}

TEST_F(ModelsTest, OtherCommsPassTheirOwnMessages) {
  ASSERT_TRUE(store_.open("c1", "my.target", R"({"anything":[1]})", {}, "").has_value());
  const auto events = store_.message("c1", R"({"hello":1})", {});
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ(json::write(*events->front().message.find("content")), R"({"hello":1})");
  const auto sent = store_.client_write("c1", *json::parse(R"({"method":"custom","content":{"x":1}})"), {}, "client-1");
  EXPECT_EQ(sent->kernel_data(), R"({"x":1})") << "no widget's wrapping around it";
}

TEST_F(ModelsTest, ClosedIsClosed) {
  ASSERT_EQ(store_.close("m1").size(), 1u);
  EXPECT_TRUE(store_.close("m1").empty());
  EXPECT_TRUE(store_.message("m1", R"({"method":"update","state":{}})", {})->empty()) << "a race, not an error";
  EXPECT_EQ(store_.size(), 0u);
  (void)store_.open("a", "t", "{}", {}, "");
  (void)store_.open("b", "t", "{}", {}, "");
  EXPECT_EQ(store_.close_all().size(), 2u);
}

TEST_F(ModelsTest, ReopeningStartsOver) {
  (void)store_.open("m2", "t", "{}", {}, "");
  (void)store_.open("m1", "jupyter.widget", R"({"state":{"fresh":true}})", {}, "cell-9");
  const auto models = store_.snapshot();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[1].model_id, "m1");
  EXPECT_EQ(models[1].message.find("state")->find("value"), nullptr);
}

class WritesTest : public ModelsTest {
 protected:
  WritesTest() {
    on_loop([this] {
      writes_ = std::make_unique<ModelWrites>(loop_, [this](ClientWrite write) -> Result<std::uint64_t> {
        const std::scoped_lock lock(mutex_);
        if (refusal_) return fail(*refusal_);
        store_.apply(write);
        told_.push_back(std::move(write));
        changed_.notify_all();
        return told_.back().event.revision;
      });
    });
  }
  ~WritesTest() override {
    on_loop([this] { writes_.reset(); });
  }
  template <class Body>
  void on_loop(Body body) {
    std::promise<void> done;
    loop_.post([&] {
      body();
      done.set_value();
    });
    done.get_future().get();
  }
  void send(const std::string& message, std::vector<std::string> buffers = {}, const std::string& by = "client-1") {
    auto accepted = store_.client_write("m1", *json::parse(message), std::move(buffers), by);
    ASSERT_TRUE(accepted.has_value()) << accepted.error().message;
    writes_->take(std::move(*accepted), [this](const Result<std::uint64_t>& told) {
      answers_ += (told ? std::to_string(*told) : told.error().code) + " ";
    });
  }
  void move_to(int value, const std::string& by = "client-1") {
    send(R"({"method":"update","state":{"value":)" + std::to_string(value) + R"(},"buffer_paths":[]})", {}, by);
  }
  Loop loop_{"models"};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ClientWrite> told_;
  std::optional<Error> refusal_;
  std::string answers_;  // on the loop
  std::unique_ptr<ModelWrites> writes_;
};

TEST_F(WritesTest, AStormIsToldAsItsFirstAndItsLastAndNoCustomMessageOvertakesIt) {
  on_loop([&] {
    for (int i = 2; i <= 100; ++i) move_to(i);
    send(R"({"method":"update","state":{"img":null,"arr":[5,null]},"buffer_paths":[["arr",1],["img"]]})", {"A", "I"});
    send(R"({"method":"update","state":{"arr":[6]},"buffer_paths":[]})");
    send(R"({"method":"custom","content":{"a":1}})");
    send(R"({"method":"custom","content":{"a":2}})");
    move_to(101);
    writes_->flush("m1");
  });
  ASSERT_EQ(told_.size(), 5u);
  EXPECT_EQ(told_[0].kernel_data(), R"({"method":"update","state":{"value":2},"buffer_paths":[]})");
  EXPECT_EQ(told_[1].kernel_data(),
            R"({"method":"update","state":{"value":100,"img":null,"arr":[6]},"buffer_paths":[["img"]]})");
  ASSERT_EQ(told_[1].event.buffers.size(), 1u);
  EXPECT_EQ(*told_[1].event.buffers[0], "I");
  EXPECT_EQ(told_[1].event.revision, 3u) << "what goes as one has one revision";
  EXPECT_EQ(told_[2].kernel_data(), R"({"method":"custom","content":{"a":1}})");
  EXPECT_EQ(told_[3].kernel_data(), R"({"method":"custom","content":{"a":2}})");
  EXPECT_EQ(told_[4].kernel_data(), R"({"method":"update","state":{"value":101},"buffer_paths":[]})");
}

TEST_F(WritesTest, WhatIsHeldIsToldByItself) {
  on_loop([&] {
    move_to(2);
    move_to(3);
    move_to(4);
  });
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return told_.size() == 2; }));
  EXPECT_EQ(told_[1].event.revision, 3u);
}

TEST_F(WritesTest, WritesOfTwoStayTwo) {
  on_loop([&] {
    move_to(2, "ann");
    move_to(3, "ann");
    move_to(4, "bob");
    move_to(5, "ann");
    writes_->flush();
  });
  std::string by;
  for (const auto& write : told_) by += write.event.origin + " ";
  EXPECT_EQ(by, "ann ann bob ann ");
}

TEST_F(WritesTest, WhoeverWroteHearsWhatBecameOfItWhenItIsTold) {
  on_loop([&] {
    move_to(2);
    EXPECT_EQ(answers_, "2 ");
    refusal_ = Error{503, "kernel_unavailable", "too much waits", "", ""};
    move_to(3);
    move_to(4);
    EXPECT_EQ(answers_, "2 ") << "they wait for the rest of the pause";
    writes_->flush();
    EXPECT_EQ(answers_, "2 kernel_unavailable kernel_unavailable ");
    const auto open = store_.snapshot().front();
    EXPECT_EQ(open.message.find("state")->find("value")->as_int(), 2) << "whoever joins sees what the kernel has";
    EXPECT_EQ(open.revision, 2u);
    refusal_.reset();
    move_to(5);
    move_to(6);
    writes_->flush();
    EXPECT_EQ(answers_, "2 kernel_unavailable kernel_unavailable 3 3 ") << "of those that went as one, each";
    EXPECT_EQ(store_.snapshot().front().message.find("state")->find("value")->as_int(), 6);
  });
}

TEST_F(WritesTest, WhatIsHeldForAKernelThatIsGoneIsForgotten) {
  on_loop([&] {
    move_to(2);
    move_to(3);
    writes_->forget({409, "no_kernel", "it died", "", ""});
    EXPECT_EQ(answers_, "2 no_kernel ");
    writes_->flush();
    EXPECT_EQ(store_.snapshot().front().revision, 2u);
    move_to(4);
  });
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[1].event.revision, 3u);
}

TEST(Models, LimitsHold) {
  ModelStore store({2, 1000, 3});
  EXPECT_TRUE(store.open("a", "t", "{}", {}, "").has_value());
  EXPECT_TRUE(store.open("b", "t", "{}", {}, "").has_value());
  EXPECT_EQ(store.open("c", "t", "{}", {}, "").error().status, 413);
  EXPECT_EQ(store.message("a", "{}", {std::string(2000, 'x')}).error().status, 413);
  EXPECT_EQ(store.message("a", "{}", {"1", "2", "3", "4"}).error().status, 413);
}

}  // namespace
}  // namespace lectern::runtime
