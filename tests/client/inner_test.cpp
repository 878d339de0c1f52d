// The pure parts: JSON, the notebook under events, commands that are asked again.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <netdb.h>

#include <future>
#include <random>

#include "net.hpp"
#include "pending.hpp"
#include "state.hpp"
#include "support.hpp"
#include "utf8.hpp"

namespace {
constexpr const char* silent_name = "silent.invalid";
std::mutex silence;
}  // namespace

// In front of the C library's: one name's server keeps silent.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  if (name != nullptr && std::string_view(name) == silent_name) {
    const std::lock_guard lock(silence);
    return EAI_NONAME;
  }
  static const auto next = reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return next(name, service, hints, found);
}

namespace lectern::client::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ClientNet, ANameServerThatKeepsSilentIsGivenUp) {
  std::promise<std::string> why;
  auto told = why.get_future();
  std::unique_lock silent(silence);
  net::http({false, silent_name, "80", {}, true}, {"GET", "/", {}, {}, 50ms, 1'000},
            [&](const Result<net::HttpAnswer>& answer) { why.set_value(answer ? "answered" : answer.error().text()); });
  told.wait_for(patience / 3);
  silent.unlock();
  EXPECT_THAT(told.get(), HasSubstr("timed out"));
}

TEST(ClientJson, KeepsNumbersOrderAndText) {
  const std::string text = R"({"b":1.10,"a":[-0,1e400,12345678901234567890,true,null],"c":"\u00e9\ud83d\ude00\n\"\\"})";
  const auto value = Json::parse(text);
  ASSERT_TRUE(ok(value));
  EXPECT_EQ(value->dump(), "{\"b\":1.10,\"a\":[-0,1e400,12345678901234567890,true,null],\"c\":\"é😀\\n\\\"\\\\\"}");
  EXPECT_EQ((*value)["c"].text(), "é😀\n\"\\");
  EXPECT_EQ((*value)["a"][3].boolean(), true);
  EXPECT_FALSE((*value)["a"][2].integer()) << "it does not fit";
  EXPECT_TRUE((*value)["nowhere"]["at"][7]["all"].is_null());
  EXPECT_EQ(Json::parse(value->dump()).value(), *value);
}

TEST(ClientJson, RefusesWhatIsNone) {
  for (const std::string text :
       {"",         "{",      "[1,]", "{\"a\"}",      "{\"a\":1,}",       "01",
        "1.",       "-",      "nul",  "\"\\x\"",      "\"\\ud800\"",      "\"\\udc00\"",
        "\"a\nb\"", "\"open", "1 2",  "\"\xC0\xAF\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
        "[1 2]",    "+1",     "1e",   "{1:2}",        "\"\\u12\""}) {
    EXPECT_FALSE(Json::parse(text)) << text;
  }
  const auto wrong = Json::parse("[1, x]");
  EXPECT_THAT(wrong.error().message, HasSubstr("byte 5"));
  EXPECT_FALSE(Json::parse(std::string(100'000, '['))) << "deep";
  EXPECT_FALSE(Json::parse("[1,2,3]", {10, 3}));
  EXPECT_THROW(Json::parse("[").value(), BadResult);
}

TEST(ClientJson, BuildsWhatIsSent) {
  const auto change = change::create_cell("x", "é", "code", Place::after("a"));
  EXPECT_EQ(change.dump(), R"({"type":"create_cell","cell_id":"x","cell_type":"code","source":"é","after":"a"})");
  EXPECT_EQ(change::set_metadata({}, {"a", "b"}, nullptr).dump(),
            R"({"type":"set_metadata","cell_id":null,"path":["a","b"],"value":null})");
  EXPECT_EQ(Json(0.5).dump(), "0.5");
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()).dump(), "null");
  EXPECT_EQ(new_cell_id().size(), 12u);
  EXPECT_NE(new_cell_id(), new_cell_id());
}

Json parsed(const std::string& text) {
  return Json::parse(text).value();
}

Notebook begun() {
  Notebook notebook;
  EXPECT_TRUE(ok(state::begin(notebook, parsed(FakeHost::ready())["data"])));
  return notebook;
}

std::vector<std::string> ids(const Notebook& notebook) {
  std::vector<std::string> out;
  for (const auto& cell : notebook.cells) out.push_back(cell.id);
  return out;
}

TEST(ClientState, ChangesCells) {
  auto notebook = begun();
  const auto changes = parsed(R"([
    {"type":"create_cell","cell_id":"b","cell_type":"markdown","source":"é😀x","before":"a","metadata":{}},
    {"type":"create_cell","cell_id":"c","cell_type":"code","source":"","after":"b"},
    {"type":"create_cell","cell_id":"c","cell_type":"code","source":"again"},
    {"type":"splice_source","cell_id":"b","index":1,"delete":1,"insert":"ü"},
    {"type":"set_source","cell_id":"gone","source":"no"},
    {"type":"set_metadata","cell_id":"b","path":["k","l"],"value":[1]},
    {"type":"set_metadata","cell_id":null,"path":["n"],"value":1},
    {"type":"move_cell","cell_id":"a","before":"b"},
    {"type":"of the future","cell_id":"a"}])");
  ASSERT_TRUE(ok(state::edit(notebook, changes, 9)));
  EXPECT_THAT(ids(notebook), ElementsAre("a", "b", "c"));
  EXPECT_EQ(notebook.find("b")->source, "éüx");
  EXPECT_EQ(notebook.find("b")->metadata.dump(), R"({"k":{"l":[1]}})");
  EXPECT_EQ(notebook.metadata.dump(), R"({"n":1})");
  EXPECT_EQ(notebook.version, 9u);
  ASSERT_TRUE(ok(state::edit(notebook, parsed(R"([{"type":"reorder_cells","cell_ids":["c","a"]},
    {"type":"set_metadata","cell_id":"b","path":["k","l"],"value":null},
    {"type":"delete_cell","cell_id":"a"}])"),
                             10)));
  EXPECT_THAT(ids(notebook), ElementsAre("c", "b"));
  EXPECT_EQ(notebook.find("b")->metadata.dump(), R"({"k":{}})");
}

TEST(ClientState, ChangesOutputs) {
  auto notebook = begun();
  const auto told = [&](const std::string& data) { return state::apply(notebook, "cell-op", parsed(data)); };
  ASSERT_TRUE(ok(told(R"({"cell_id":"a","status":"running","execution_count":4,"outputs":[
    {"op":"append","output":{"output_type":"stream","name":"stdout","text":["on","e"]}},
    {"op":"append_text","index":0,"text":" two"},{"op":"append_text","index":0,"text":" three"},
    {"op":"append","output":{"output_type":"execute_result","data":{"text/plain":"42"}}}]})")));
  EXPECT_EQ(notebook.cells[0].text(), "one two three42");
  EXPECT_EQ(notebook.cells[0].status, "running");
  EXPECT_EQ(notebook.cells[0].execution_count, 4);
  ASSERT_TRUE(ok(told(R"({"cell_id":"a","status":"error","outputs":[{"op":"replace","index":1,
    "output":{"output_type":"error","traceback":["a","b"]}}]})")));
  EXPECT_EQ(notebook.cells[0].text(), "one two threea\nb\n");
  ASSERT_TRUE(ok(told(R"({"cell_id":"a","status":"idle","outputs":[{"op":"clear"}]})")));
  EXPECT_EQ(notebook.cells[0].text(), "");
  EXPECT_FALSE(told(R"({"cell_id":"a","outputs":[{"op":"append_text","index":0,"text":"x"}]})"));
  EXPECT_FALSE(told(R"({"cell_id":"a","outputs":[{"op":"replace","index":-1,"output":{}}]})"));
}

TEST(ClientState, BinaryStateOfModelsStandsInItsPlace) {
  auto notebook = begun();
  const auto told = [&](const std::string& data) { return state::apply(notebook, "model-lifecycle", parsed(data)); };
  ASSERT_TRUE(ok(told(R"({"model_id":"m","message":{"method":"open","state":{"n":1,"deep":{"list":[null,2]}},
    "buffer_paths":[["value"],["deep","list",0],["deep","x"]]},"buffers":["AP8=","AQ==","Ag=="]})")));
  EXPECT_EQ(notebook.models["m"].state["value"].dump(), R"({"$base64":"AP8="})");
  EXPECT_EQ(notebook.models["m"].state["deep"].dump(), R"({"list":[{"$base64":"AQ=="},2],"x":{"$base64":"Ag=="}})");
  ASSERT_TRUE(ok(told(R"({"model_id":"m","message":{"method":"update","state":{},"buffer_paths":[["value"]]},
    "buffers":["Aw=="]})")));
  EXPECT_EQ(notebook.models["m"].state["value"].dump(), R"({"$base64":"Aw=="})");
  EXPECT_EQ(notebook.models["m"].state["n"].dump(), "1");
  ASSERT_TRUE(ok(told(R"({"model_id":"m","message":{"method":"update","state":{"n":2},
    "buffer_paths":[["n","x"],[],[7],["deep","list",9],["deep","list",-1],3]},"buffers":["","","","","","",""]})")));
  EXPECT_EQ(notebook.models["m"].state["n"].dump(), "2") << "what leads nowhere is left out";
}

TEST(ClientState, ModelsKnowTheOrderInWhichTheyWereOpened) {
  auto notebook = begun();
  const auto told = [&](const std::string& id, const std::string& method) {
    return state::apply(notebook, "model-lifecycle",
                        parsed(R"({"model_id":")" + id + R"(","message":{"method":")" + method + R"(","state":{}}})"));
  };
  for (const std::string id : {"z", "m", "a"}) ASSERT_TRUE(ok(told(id, "open")));
  ASSERT_TRUE(ok(told("z", "update")));
  EXPECT_LT(notebook.models["z"].seq, notebook.models["m"].seq);
  EXPECT_LT(notebook.models["m"].seq, notebook.models["a"].seq);
  ASSERT_TRUE(ok(told("m", "close")) && ok(told("m", "open")));
  EXPECT_LT(notebook.models["a"].seq, notebook.models["m"].seq);
  ASSERT_TRUE(ok(told("z", "open")));
  EXPECT_LT(notebook.models["m"].seq, notebook.models["z"].seq) << "one that is opened again is the newest";
}

TEST(ClientState, AWriteOfOurOwnIsAppliedWhenItIsAnsweredUnlessALaterOneCameFirst) {
  auto notebook = begun();
  ASSERT_TRUE(ok(state::apply(notebook, "model-lifecycle", parsed(R"({"model_id":"m","revision":1,"message":{
    "method":"open","state":{"n":1,"b":0}}})"))));
  const auto body = parsed(R"({"model_id":"m","message":{"method":"update","state":{"n":2},"buffer_paths":[["b"]]},
    "buffers":["AP8="]})");
  EXPECT_TRUE(state::wrote(notebook, body, parsed("3")).value());
  EXPECT_EQ(notebook.models["m"].state["n"].dump(), "2");
  EXPECT_EQ(notebook.models["m"].state["b"].dump(), R"({"$base64":"AP8="})");
  EXPECT_EQ(notebook.models["m"].revision, 3u);
  const auto older = parsed(R"({"model_id":"m","message":{"method":"update","state":{"n":9}}})");
  EXPECT_FALSE(state::wrote(notebook, older, parsed("2")).value());
  EXPECT_EQ(notebook.models["m"].state["n"].dump(), "2");
  const auto custom = parsed(R"({"model_id":"m","message":{"method":"custom","content":{"n":9}}})");
  EXPECT_TRUE(state::wrote(notebook, custom, parsed("3")).value());
  EXPECT_EQ(notebook.models["m"].state["n"].dump(), "2");
  EXPECT_TRUE(
      state::wrote(notebook, parsed(R"({"model_id":"gone","message":{"method":"update"}})"), parsed("7")).value());
  EXPECT_FALSE(notebook.models.contains("gone"));
  EXPECT_FALSE(state::wrote(notebook, body, parsed("-1"))) << "an answer that no host gives";
}

TEST(ClientState, CommsAreTheModelsSortedBySeqWithAllThatIsSaidOfThem) {
  auto notebook = begun();
  const auto told = [&](const std::string& data) { return state::apply(notebook, "model-lifecycle", parsed(data)); };
  ASSERT_TRUE(ok(told(R"({"model_id":"z","revision":1,"cell_id":"a","message":{"method":"open",
    "target":"jupyter.widget","state":{"n":1}}})")));
  ASSERT_TRUE(ok(told(R"({"model_id":"m","revision":5,"message":{"method":"open","target":"other","state":{}}})")));
  ASSERT_TRUE(ok(told(R"({"model_id":"z","revision":2,"cell_id":"a","message":{"method":"update","state":{"n":2}}})")));
  const auto comms = notebook.comms();
  ASSERT_EQ(comms.size(), 2u);
  EXPECT_EQ(comms[0].comm_id, "z");
  EXPECT_EQ(comms[0].model.target_name, "jupyter.widget");
  EXPECT_EQ(comms[0].model.cell_id, "a");
  EXPECT_EQ(comms[0].model.revision, 2u);
  EXPECT_EQ(comms[0].model.state.at("n").dump(), "2");
  EXPECT_EQ(comms[1].comm_id, "m");
  EXPECT_EQ(comms[1].model.target_name, "other");
  EXPECT_EQ(comms[1].model.revision, 5u);
  EXPECT_LT(comms[0].model.seq, comms[1].model.seq);
}

// Whatever comes: no crash, and a notebook that a snapshot mends.
TEST(ClientState, SurvivesMutatedEvents) {
  const std::vector<std::pair<std::string, std::string>> seeds{
      {"cell-op",
       R"({"cell_id":"a","status":"running","execution_count":4,"outputs":[{"op":"append","output":{"text":"x"}},
        {"op":"append_text","index":0,"text":"y"},{"op":"replace","index":0,"output":{"text":["z"]}},{"op":"clear"}]})"},
      {"notebook-document-transaction", R"({"transaction":{"version":9,"changes":[
        {"type":"splice_source","cell_id":"a","index":1,"delete":1,"insert":"é"},
        {"type":"set_metadata","cell_id":"a","path":["k","l"],"value":[1]},
        {"type":"reorder_cells","cell_ids":["c","a"]},{"type":"move_cell","cell_id":"a","before":"a"},
        {"type":"create_cell","cell_id":"b","cell_type":"code","source":"s","after":"a"},
        {"type":"delete_cell","cell_id":"a"}]}})"},
      {"model-lifecycle", R"({"model_id":"m","message":{"method":"open","state":{"a":1}}})"},
      {"room-state", R"({"editor":{"client_id":"c"},"members":[{"client_id":"c"}]})"},
      {"input-request", R"({"request_id":"r","prompt":"p","password":true})"},
      {"kernel-ready", FakeHost::ready()},
  };
  const std::vector<std::string> words{"null",
                                       "-1",
                                       "1e99",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       "99999999999999999999",
                                       "\"a\"",
                                       "true",
                                       "18446744073709551615",
                                       "9223372036854775807"};
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  int applied = 0;
  auto notebook = begun();
  for (int round = 0; round < 30'000; ++round) {
    const auto& [op, seed] = seeds[below(seeds.size())];
    auto text = seed;
    for (auto left = below(3) + 1; left > 0; --left) {
      const auto at = text.find_first_of(":,[", below(text.size()));
      if (at == std::string::npos) continue;
      const auto end = std::min(text.find_first_of(",]}", at + 1), text.size());
      text.replace(at + 1, end - at - 1, words[below(words.size())]);
    }
    const auto value = Json::parse(text);
    if (!value) continue;
    ++applied;
    if (op == "kernel-ready") {
      (void)state::begin(notebook, (*value)["data"]);
    } else {
      (void)state::apply(notebook, op, *value);
    }
    if (round % 50 == 0) notebook = begun();
  }
  EXPECT_GT(applied, 3'000);
}

Pending pending(const std::string& name, Json body = Json::Object{}) {
  Pending out;
  out.name = name;
  out.body = std::move(body);
  return out;
}

TEST(ClientPending, KeepsItsEpochInOneRunOfTheHost) {
  Pendings pendings;
  pendings.add(pending("save"));
  EXPECT_THAT(pendings.due("one", 4, false), ElementsAre(R"({"id":"c1","command":"save","epoch":4,"body":{}})"));
  EXPECT_TRUE(pendings.due("one", 4, false).empty()) << "once per link";
  pendings.add(pending("room"));
  pendings.link_lost();
  EXPECT_THAT(pendings.due("one", 6, true), ElementsAre(R"({"id":"c1","command":"save","epoch":4,"body":{}})"))
      << "a late edit stays late, and what was not sent waits for the end of the replay";
  pendings.link_lost();
  EXPECT_THAT(pendings.due("two", {}, false),
              ElementsAre(R"({"id":"c1","command":"save","body":{}})", R"({"id":"c2","command":"room","body":{}})"));
}

TEST(ClientPending, TellsWhatARestartedHostCannotBeAskedAgain) {
  Pendings pendings;
  const auto edit = [](Json change) { return Json().set("changes", Json::Array{std::move(change)}); };
  pendings.add(pending("execute"));
  pendings.add(pending("transaction", edit(change::set_source("a", "x"))));
  pendings.add(pending("transaction", edit(change::splice_source("a", 0, 0, "x"))));
  EXPECT_EQ(pendings.due("one", 1, false).size(), 3u);
  pendings.add(pending("execute"));
  EXPECT_TRUE(pendings.take_unrepeatable("one").empty());
  pendings.link_lost();
  EXPECT_EQ(pendings.take_unrepeatable("two").size(), 2u);
  EXPECT_EQ(pendings.due("two", 1, false).size(), 2u) << "what was not sent yet is sent";
}

TEST(ClientPending, StaysWithinWhatTheHostRemembers) {
  Pendings pendings;
  for (int i = 0; i < 500; ++i) pendings.add(pending("room"));
  EXPECT_EQ(pendings.due("one", {}, false).size(), Pendings::window);
  EXPECT_TRUE(pendings.take("c2") && !pendings.take("c2") && !pendings.take("") && !pendings.take("c"));
  EXPECT_TRUE(pendings.due("one", {}, false).empty());
  EXPECT_FALSE(pendings.settled(1));
  EXPECT_TRUE(pendings.take("c1"));
  EXPECT_EQ(pendings.due("one", {}, false).size(), 2u);
  EXPECT_TRUE(pendings.settled(2));
}

}  // namespace
}  // namespace lectern::client::testing
