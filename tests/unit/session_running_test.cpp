// Runs and widget models of a session at their edges: a pen that is gone before a run begins, a document that refuses.
#include <algorithm>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "session/live_session.hpp"
#include "session/models_feed.hpp"
#include "session/running.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionRunningTest : public SessionTest {
 protected:
  LiveSession& live() { return static_cast<LiveSession&>(*session_); }
  /// A cell of the session shows it, and everybody is told.
  static void show(Session& session, const std::string& output) {
    test::on_loop(session.loop(), [&] {
      auto& runtime = static_cast<LiveSession&>(session).running().runtime();
      ASSERT_TRUE(runtime.outputs().add("a", output, ""));
      runtime.clear_outputs({"none"});
    });
  }
  /// Some session's log of outputs has it.
  [[nodiscard]] bool logged(const std::string& text) const {
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "state" / "notebooks")) {
      if (entry.path().filename() != "outputs.lj") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      if (std::string(std::istreambuf_iterator<char>(file), {}).find(text) != std::string::npos) return true;
    }
    return false;
  }
  void await_logged(const std::string& text) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!logged(text) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_TRUE(logged(text)) << text;
  }
};

TEST_F(SessionRunningTest, ARunWhosePenWentWhileItsEditWasWrittenIsRefused) {
  start();
  auto first = tab();
  const auto key = Tab::key_of(first->await("kernel-ready"));
  ASSERT_TRUE(flag_of(first->command("save", "{}", 1), "ok"));
  const auto say = [&](const std::string& name, const std::string& body, Reply<CommandReply> reply) {
    CommandRequest request;
    request.client_key = key;
    request.name = name;
    request.epoch = 1;
    request.body = *json::parse(body);
    session_->command(std::move(request), std::move(reply));
  };
  const auto ran = ask<CommandReply>([&](Reply<CommandReply> reply) {
    first->on_loop([&] {  // in one turn: nothing reaches the disk in between
      say("transaction", R"({"changes":[{"type":"set_source","cell_id":"a","source":"x = 2"}]})", [](auto) {});
      say("execute", R"({"cell_ids":["a"]})", std::move(reply));
      say("release", "{}", [](auto) {});
    });
  });
  ASSERT_FALSE(ran) << ran->json;
  EXPECT_EQ(ran.error().status, 409);
  EXPECT_EQ(ran.error().code, "stale_epoch");
  EXPECT_EQ(ran.error().message, "epoch 1 is no longer the sender's");
  EXPECT_TRUE(flag_of(first->command("room"), "ok"));
}

TEST_F(SessionRunningTest, ARestartThatRunsAllWaitsForTheDocument) {
  start_unbuilt();
  auto editor = tab();
  editor->await("kernel-ready");
  editor->send(R"({"id":"all","command":"restart","epoch":1,"body":{"run_all":true}})");
  EXPECT_TRUE(flag_of(editor->command("release", "{}", 1), "ok"));
  host_->build();
  EXPECT_FALSE(flag_of(editor->reply("all"), "ok")) << "the pen was given back before there were cells to run";
  EXPECT_TRUE(flag_of(editor->command("room"), "ok"));
}

TEST_F(SessionRunningTest, CursorsPushNoCommandOutOfWhatIsRemembered) {
  start();
  auto editor = tab();
  editor->await("kernel-ready");
  const std::string edit =
      R"({"id":"edit","command":"transaction","epoch":1,"body":{"changes":[{"type":"create_cell","cell_id":"n",)"
      R"("cell_type":"code","source":""}]}})";
  editor->send(edit);
  const auto first = editor->reply("edit");
  ASSERT_TRUE(flag_of(first, "ok"));
  for (int i = 0; i < 300; ++i) {
    editor->send(R"({"id":"c)" + std::to_string(i) + R"(","command":"cursor","body":{"cell_id":"a"}})");
  }
  EXPECT_EQ(text_of(editor->reply("c299"), "id"), "c299");
  const auto count = [&] {
    const auto all = editor->all();
    return std::count_if(all.begin(), all.end(),
                         [](const auto& one) { return one.op == "reply" && text_of(one.data, "id") == "edit"; });
  };
  const auto before = count();
  editor->send(edit);
  editor->settle();
  EXPECT_EQ(count(), before + 1);
  const auto all = editor->all();
  const auto last = std::find_if(
      all.rbegin(), all.rend(), [](const auto& one) { return one.op == "reply" && text_of(one.data, "id") == "edit"; });
  EXPECT_EQ(json::write(last->data), json::write(first)) << "nothing ran twice";
}

TEST_F(SessionRunningTest, TheLogOfOutputsNamesAPlotWhenItsFileIsThereAndNothingElseWaitsForIt) {
  start();
  host_->write("m.ipynb", small_notebook);
  const auto other = host_->open("m.ipynb");
  ASSERT_TRUE(other) << other.error().message;
  host_->settle_workers();
  std::promise<void> may_write, may_write_next;
  host_->hold_workers(may_write.get_future().share());
  const std::string plot(100'000, 'p'), sha256 = crypto::sha256_hex(plot);
  const std::string next(100'000, 'n'), next_sha256 = crypto::sha256_hex(next);
  const auto display = [](const std::string& media_type, const std::string& value) {
    return R"({"output_type":"display_data","metadata":{},"data":{")" + media_type + "\":\"" + value + "\"}}";
  };
  show(*session_, display("image/png", text::to_base64(plot)));
  show(**other, display("text/plain", "of the other notebook"));
  await_logged("of the other notebook");
  EXPECT_FALSE(logged(sha256));
  const auto file = folder_.path() / "state" / "blobs" / sha256.substr(0, 2) / sha256.substr(2);
  EXPECT_FALSE(fs::exists(file));
  host_->hold_workers(may_write_next.get_future().share());
  show(*session_, display("image/png", text::to_base64(next)));
  may_write.set_value();
  await_logged(sha256);
  EXPECT_TRUE(fs::exists(file));
  show(**other, display("text/plain", "told later"));
  await_logged("told later");
  EXPECT_FALSE(logged(next_sha256));
  may_write_next.set_value();
  await_logged(next_sha256);
}

TEST_F(SessionRunningTest, AModelsDocumentThatRefusesTwiceIsGivenUp) {
  start();
  const Tab::How how(R"({"models":"document"})");
  const auto documents = [](Tab& one) {
    const auto all = one.all();
    return std::count_if(all.begin(), all.end(), [](const auto& frame) { return !frame.binary.empty(); });
  };
  auto reader = tab(how);
  reader->await("replay-complete");
  EXPECT_EQ(documents(*reader), 1);
  reader->on_loop([&] {
    // A name that no document can have, as the kernel's JSON cannot: what the engine refuses, it refuses again.
    const auto opened =
        live().running().runtime().model_store().open("bad\xff", "jupyter.widget", R"({"state":{}})", {}, "");
    ASSERT_TRUE(opened) << opened.error().message;
    live().models_feed().changed(*opened);
    live().models_feed().before_output();
  });
  EXPECT_TRUE(flag_of(reader->command("room"), "ok"));
  auto later = tab(how);
  later->await("replay-complete");
  EXPECT_EQ(documents(*later), 0);
  EXPECT_FALSE(reader->closed());
}

}  // namespace
}  // namespace lectern::session::testing
