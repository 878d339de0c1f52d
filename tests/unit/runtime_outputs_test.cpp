// Streams as a terminal shows them, the output store, and what goes into the file.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "runtime/capture.hpp"
#include "runtime/terminal.hpp"
#include "runtime/whole_output.hpp"
#include "runtime_support.hpp"

namespace lectern::runtime::testing {
namespace {

struct StreamCase {
  const char* name;
  std::vector<std::string> pieces;
  std::string shown;
};

class TerminalTest : public ::testing::TestWithParam<StreamCase> {};

TEST_P(TerminalTest, ShowsWhatATerminalWould) {
  Terminal terminal;
  for (const auto& piece : GetParam().pieces) terminal.write(piece);
  EXPECT_EQ(terminal.text(), GetParam().shown);
}

TEST_P(TerminalTest, TheCutsBetweenPiecesDoNotMatter) {
  std::string all;
  for (const auto& piece : GetParam().pieces) all += piece;
  Terminal terminal;
  for (std::size_t at = 0; at < all.size();) {  // one code point at a time
    std::size_t length = 1;
    while (at + length < all.size() && (static_cast<unsigned char>(all[at + length]) & 0xC0) == 0x80) ++length;
    terminal.write(all.substr(at, length));
    at += length;
  }
  EXPECT_EQ(terminal.text(), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Streams, TerminalTest,
    ::testing::Values(
        StreamCase{"plain", {"one\n", "two"}, "one\ntwo"}, StreamCase{"line_ends_of_windows", {"a\r\nb\r\n"}, "a\nb\n"},
        StreamCase{"progress", {" 1%", "\r 50%", "\r100%", "\n"}, "100%\n"},
        StreamCase{"shorter_text_leaves_the_rest", {"long line\rabc"}, "abcg line"},
        StreamCase{"erase_to_the_end", {"long line\rabc\x1b[K\n"}, "abc\n"},
        StreamCase{"erase_the_line", {"long line\x1b[2K\rabc"}, "abc"}, StreamCase{"backspace", {"abc\b\bX"}, "aXc"},
        StreamCase{"backspace_stops", {"a\b\b\b\bX"}, "X"},
        StreamCase{"spinner", {"|", "\b/", "\b-", "\b\\", "\bok\n"}, "ok\n"},
        StreamCase{"colours_stay", {"\x1b[31mred\x1b[0m plain"}, "\x1b[31mred\x1b[0m plain"},
        StreamCase{"colours_are_overwritten_by_cells", {"\x1b[31mred\x1b[0m plain\rX"}, "X\x1b[31med\x1b[0m plain"},
        StreamCase{"umlauts_are_one_cell", {"\xC3\xA4\xC3\xB6\xC3\xBC\rx"}, "x\xC3\xB6\xC3\xBC"},
        StreamCase{"emoji_are_one_cell", {"\xF0\x9F\x98\x80z\rab"}, "ab"},
        StreamCase{"two_bars", {"a: 0%\nb: 0%", "\x1b[A\ra: 9%", "\n\rb: 9%\n"}, "a: 9%\nb: 9%\n"},
        StreamCase{"cursor_up_stops_at_the_top", {"x\x1b[9A\ry"}, "y"},
        StreamCase{"clear_screen", {"old\nold\n\x1b[2J\x1b[Hnew"}, "new"},
        StreamCase{"cursor_column", {"abcdef\x1b[3GX"}, "abXdef"},
        StreamCase{"forward_over_the_end", {"ab\x1b[3Cc"}, "ab   c"},
        StreamCase{"titles_are_nobodys_business", {"\x1b]0;title\x07text"}, "text"},
        StreamCase{"queries_too", {"a\x1b[?25lb\x1b[6nc"}, "abc"}, StreamCase{"bells", {"a\a\rb\a"}, "b"},
        StreamCase{"lone_return_at_the_end", {"abc\r"}, "abc"}, StreamCase{"empty", {""}, ""}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(Terminal, SaysWhenTextOnlyGrew) {
  Terminal terminal;
  EXPECT_TRUE(terminal.write("abc"));
  EXPECT_TRUE(terminal.write("def\n"));
  EXPECT_TRUE(terminal.write("x\r"));
  EXPECT_FALSE(terminal.write("y"));
  EXPECT_TRUE(terminal.write("z\n"));
}

TEST(Terminal, AHugeLineIsStartedOverNotEdited) {
  Terminal terminal;
  terminal.write(std::string(10u << 20, 'x'));
  EXPECT_FALSE(terminal.write("\rshort"));
  EXPECT_EQ(terminal.text(), "short");
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class OutputsTest : public ::testing::Test {
 protected:
  /// Takes the ops of the store as a viewer would, and checks that he sees what a joiner sees.
  SeenCell& view(const std::string& id) {
    auto& cell = seen_[id];
    if (const auto ops = store_.take_ops(id); !ops.empty()) {
      Viewer::apply(cell, *json::parse(R"({"status":"idle","outputs":)" + ops + "}"));
    }
    const auto shown = json::parse(store_.shown(id), {256u << 20, 64, 10'000'000, true});
    EXPECT_EQ(cell.outputs, *shown->as_array());
    return cell;
  }
  std::string saved(const std::string& id) {
    auto text = store_.to_nbformat(id).text(blobs_);
    EXPECT_TRUE(text.has_value()) << text.error().message;
    return text.value_or("");
  }
  static std::string display(const std::string& data) {
    return R"({"output_type":"display_data","data":)" + data + R"(,"metadata":{}})";
  }
  static std::string id_in(const json::Value& notice) {
    const auto* data = notice.find("data");
    const auto* named = data != nullptr ? data->find(whole_output_type) : nullptr;
    return named != nullptr ? *named->find("id")->as_string() : "no notice: " + json::write(notice);
  }
  /// The file that a notice names.
  [[nodiscard]] fs::path kept_file(const json::Value& notice) const {
    return whole_output_file(blobs_.directory(), id_in(notice));
  }
  static bool becomes(const fs::path& file, const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      if (content(file) == wanted) return true;
      std::this_thread::yield();
    }
    return false;
  }
  TempFolder folder_;
  Workers workers_{1};
  BlobStore blobs_{folder_.path() / "blobs", workers_};
  OutputStore store_{blobs_, {1024, 1u << 20, 100}};
  std::map<std::string, SeenCell> seen_;
};

TEST_F(OutputsTest, NewTextTravelsAsNewTextOnly) {
  store_.stream("a", "stdout", "one\n");
  view("a");
  store_.stream("a", "stdout", "two\n");
  store_.stream("a", "stdout", "three\n");
  EXPECT_EQ(store_.take_ops("a"), R"([{"op":"append_text","index":0,"text":"two\nthree\n"}])");
  store_.stream("a", "stdout", "50%");
  EXPECT_EQ(store_.take_ops("a"), R"([{"op":"append_text","index":0,"text":"50%"}])");
  store_.stream("a", "stdout", "\r99%");
  EXPECT_EQ(
      store_.take_ops("a"),
      R"([{"op":"replace","index":0,"output":{"output_type":"stream","name":"stdout","text":"one\ntwo\nthree\n99%"}}])");
  EXPECT_EQ(store_.take_ops("a"), "");
}

TEST_F(OutputsTest, ChannelsTakeTurns) {
  store_.stream("a", "stdout", "1");
  store_.stream("a", "stderr", "2");
  store_.stream("a", "stdout", "3");
  EXPECT_EQ(view("a").outputs.size(), 3u);
  EXPECT_EQ(saved("a"), R"([{"output_type":"stream","name":"stdout","text":["1"]},)"
                        R"({"output_type":"stream","name":"stderr","text":["2"]},)"
                        R"({"output_type":"stream","name":"stdout","text":["3"]}])");
}

TEST_F(OutputsTest, NumbersKeepTheirText) {
  const std::string data = R"({"application/json":{"big":12345678901234567890123,"e":1.50e+400,"z":-0.0}})";
  ASSERT_TRUE(store_.add("a", display(data), "").has_value());
  EXPECT_NE(store_.shown("a").find(data), std::string::npos);
  EXPECT_NE(saved("a").find(data), std::string::npos);
}

TEST_F(OutputsTest, LargeValuesAreBlobsAndComeBackIntoTheFile) {
  const std::string png = crypto::random_bytes(5000);
  const std::string svg = "<svg>\n" + std::string(2000, 's') + "\n</svg>";
  const std::string big_json = "{\"rows\":[\"" + std::string(2000, '1') + "\"]}";
  std::string data = R"({"image/png":")" + text::to_base64(png) + R"(","image/svg+xml":)";
  json::write_string(svg, data);
  data += R"(,"application/vnd.vega.v5+json":)" + big_json + R"(,"text/plain":"<Figure>"})";
  ASSERT_TRUE(store_.add("a", display(data), "").has_value());
  const auto& cell = view("a");
  const auto* shown = cell.outputs.at(0).find("data");
  const auto blob_of = [&](std::string_view type) { return *shown->find(type)->find("$blob")->as_string(); };
  EXPECT_EQ(blob_of("image/png"), crypto::sha256_hex(png)) << "the bytes, not their base64";
  EXPECT_EQ(shown->find("image/png")->find("size")->as_uint(), 5000u);
  EXPECT_EQ(*shown->find("image/png")->find("media_type")->as_string(), "image/png");
  EXPECT_EQ(*blobs_.get(blob_of("image/svg+xml"))->bytes, svg);
  EXPECT_EQ(*blobs_.get(blob_of("application/vnd.vega.v5+json"))->bytes, big_json);
  EXPECT_TRUE(store_.has_blob(blob_of("image/png")));
  EXPECT_FALSE(store_.has_blob(std::string(64, '0')));
  EXPECT_EQ(*shown->find("text/plain")->as_string(), "<Figure>");

  const auto file = json::parse(saved("a"));
  ASSERT_TRUE(file.has_value());
  const auto* back = file->as_array()->at(0).find("data");
  EXPECT_EQ(*back->find("image/png")->as_string(), text::to_base64(png));
  EXPECT_EQ(json::write(*back->find("application/vnd.vega.v5+json")), big_json);
  std::string joined;
  for (const auto& line : *back->find("image/svg+xml")->as_array()) joined += *line.as_string();
  EXPECT_EQ(joined, svg);
}

TEST_F(OutputsTest, WhatIsNotBase64StaysWhereItIs) {
  const std::string odd(3000, '!');
  ASSERT_TRUE(store_.add("a", display(R"({"image/png":")" + odd + "\"}"), "").has_value());
  EXPECT_EQ(view("a").mime(0, "image/png"), odd);
}

TEST_F(OutputsTest, TheFilesOutputsAreItsOwnBytesUntilTouched) {
  const auto raw = std::make_shared<const std::string>(
      "[\n  {\"output_type\": \"stream\", \"name\": \"stdout\", \"text\": [\"a\\n\", \"b\"]},\n"
      "  {\"data\": {\"image/png\": \"" +
      text::to_base64(std::string(3000, 'p')) +
      "\\n\", \"text/plain\": [\"x\\n\", \"y\"]}, \"metadata\": {\"odd\": 1.0}, \"output_type\": \"display_data\"}\n "
      "]");
  store_.load("a", raw);
  EXPECT_TRUE(store_.has_outputs("a"));
  EXPECT_EQ(saved("a"), *raw);
  CellView joined;
  joined.outputs = store_.view("a");
  EXPECT_FALSE(joined.outputs.ready()) << "reading them is a worker's";
  const auto unread = joined.outputs.unread();
  EXPECT_TRUE(unread->ask());
  EXPECT_FALSE(unread->ask()) << "one worker is enough";
  store_.looked_at(*unread, unread->look(blobs_, store_.limits().blob_over));
  ASSERT_TRUE(joined.outputs.ready());
  Viewer::apply(seen_["a"], *json::parse(joined.data()));
  EXPECT_EQ(seen_["a"].text(0), "a\nb") << "viewers get text in one piece";
  EXPECT_EQ(seen_["a"].mime(1, "text/plain"), "x\ny");
  EXPECT_TRUE(seen_["a"].outputs.at(1).find("data")->find("image/png")->is_object());
  EXPECT_TRUE(store_.to_nbformat("a").untouched()) << "looking is not touching";
  EXPECT_EQ(saved("a"), *raw);
  store_.forget_looks();
  EXPECT_TRUE(store_.view("a").ready()) << "somebody has it still";
  joined = {};
  store_.forget_looks();
  EXPECT_TRUE(store_.view("a").ready()) << "little to keep, and much to read again";
  const auto small = std::make_shared<const std::string>(R"([{"output_type":"stream","name":"stdout","text":"abc"}])");
  store_.load("b", small);
  const auto shown = store_.shown("b");
  EXPECT_TRUE(store_.view("b").ready());
  store_.forget_looks();
  EXPECT_FALSE(store_.view("b").ready());
  EXPECT_EQ(store_.shown("b"), shown);
  store_.load("b", nullptr);

  store_.stream("a", "stdout", "more");
  view("a");
  const auto file = saved("a");
  EXPECT_NE(file.find(R"({"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]})"), std::string::npos)
      << "an output that was not touched keeps its bytes: " << file;
  EXPECT_NE(file.find("\"metadata\": {\"odd\": 1.0}"), std::string::npos);
  EXPECT_NE(file.find(R"({"output_type":"stream","name":"stdout","text":["more"]})"), std::string::npos);
  store_.begin("a");
  EXPECT_EQ(saved("a"), "[]");
  EXPECT_TRUE(view("a").outputs.empty());
}

TEST_F(OutputsTest, TwentyFourMegabytesAreLookedAtLazily) {
  std::string text = "[{\"output_type\":\"display_data\",\"metadata\":{},\"data\":{\"image/png\":\"";
  text += text::to_base64(std::string(18u << 20, 'i')) + "\"}}]";
  const auto raw = std::make_shared<const std::string>(std::move(text));
  store_.load("a", raw);
  EXPECT_EQ(raw.use_count(), 2) << "held, not copied";
  const auto shown = store_.shown("a");
  EXPECT_LT(shown.size(), 300u);
}

TEST_F(OutputsTest, DisplayUpdatesFollowTheirId) {
  (void)store_.add(
      "a", R"({"output_type":"execute_result","data":{"text/plain":"1"},"metadata":{},"execution_count":7})", "d");
  (void)store_.add("b", display(R"({"text/plain":"1"})"), "d");
  view("a"), view("b");
  EXPECT_EQ(store_.update_display("d", display(R"({"text/plain":"2"})")).size(), 2u);
  EXPECT_EQ(view("a").mime(0, "text/plain"), "2");
  EXPECT_EQ(view("a").outputs.at(0).find("execution_count")->as_int(), 7);
  EXPECT_EQ(view("b").mime(0, "text/plain"), "2");
  store_.begin("a");
  EXPECT_EQ(store_.update_display("d", display(R"({"text/plain":"3"})")), std::vector<std::string>{"b"});
  EXPECT_TRUE(store_.update_display("other", display("{}")).empty());
}

TEST_F(OutputsTest, WhatIsMoreThanACellShowsIsKeptWholeUntilItRunsAgain) {
  std::string all;
  const auto say = [&](const std::string& text) {
    all += text;
    store_.stream("a", "stdout", text);
  };
  for (int i = 0; i < 300; ++i) say(std::to_string(i) + std::string(10'000, 'x') + "\xC3\xA4\n");
  const auto cell = view("a");
  ASSERT_EQ(cell.outputs.size(), 2u);
  EXPECT_LE(cell.text(0).size(), 1u << 20);
  EXPECT_GT(cell.text(0).size(), (1u << 20) - 4) << "as much as it may";
  EXPECT_TRUE(text::valid_utf8(cell.text(0)));
  const auto file = kept_file(cell.outputs[1]);
  EXPECT_TRUE(becomes(file, all)) << file;
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_TRUE(store_.add("a", display(R"({"text/plain":"a plot"})"), "").has_value());
  all += display(R"({"text/plain":"a plot"})") + "\n";
  EXPECT_EQ(view("a").outputs.size(), 2u) << "said once";
  EXPECT_TRUE(becomes(file, all));

  for (int i = 0; i < 300; ++i) (void)store_.add("b", display("{}"), "");
  EXPECT_EQ(view("b").outputs.size(), 101u);
  std::string lines;
  for (int i = 0; i < 300; ++i) lines += display("{}") + "\n";
  EXPECT_TRUE(becomes(kept_file(view("b").outputs.at(100)), lines));

  store_.stream("c", "stdout", std::string(3u << 20, 'y'));
  EXPECT_EQ(view("c").text(0).size(), 1u << 20) << "one print of too much is shown as far as it goes";
  EXPECT_TRUE(becomes(kept_file(view("c").outputs.at(1)), std::string(3u << 20, 'y')));

  store_.begin("a");
  store_.stream("a", "stdout", "again");
  EXPECT_EQ(view("a").text(0), "again");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (fs::exists(file) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(OutputsTest, WhatIsKeptWholeIsAskedForByTheIdOfItsNotice) {
  store_.give_out_under("/outputs/");
  const std::string all(3u << 20, 'x');
  store_.stream("a", "stdout", all);
  const auto notice = view("a").outputs.at(1);
  const auto id = id_in(notice);
  ASSERT_TRUE(is_whole_output_id(id)) << id;
  EXPECT_NE(view("a").mime(1, "text/plain").find("runs again: /outputs/" + id + "]"), std::string::npos);
  EXPECT_EQ(view("a").mime(1, "text/plain").find(folder_.path().string()), std::string::npos) << "no path of ours";
  EXPECT_TRUE(store_.has_whole(id));
  EXPECT_FALSE(store_.has_whole(std::string(32, '0')));

  auto prepare = store_.whole_up_to_date(id);
  ASSERT_TRUE(prepare);
  prepare();  // what was said so far is there, however busy the workers are
  const auto opened = WholeFile::open(kept_file(notice));
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ((*opened)->size(), all.size());
  EXPECT_EQ((*opened)->read(1, 10), std::string(10, 'x'));
  EXPECT_EQ((*opened)->read(all.size() - 1, 2), "") << "a piece that is not all there is none";

  const auto of_file = std::make_shared<const std::string>(saved("a"));
  store_.load("b", of_file);
  const auto forged = "[" + display(R"({"application/vnd.lectern.whole-output+json":{"id":"../../secret"}})") + "]";
  store_.load("c", std::make_shared<const std::string>(forged));
  OutputStore next(blobs_);
  next.load("b", of_file);
  EXPECT_FALSE(next.has_whole(id));
  (void)next.shown("b");
  EXPECT_TRUE(next.has_whole(id)) << "a notice from the file names it in the next session";
  EXPECT_FALSE(next.whole_up_to_date(id)) << "nobody adds to it any more";
  (void)store_.shown("c");
  EXPECT_FALSE(store_.has_whole("../../secret"));
  EXPECT_EQ(whole_output_file(blobs_.directory(), "../../secret"), fs::path());

  store_.begin("a");
  const auto gone = [&] {
    const auto found = WholeFile::open(kept_file(notice));
    return !found && found.error().status == 404;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!gone() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(gone());
  EXPECT_EQ((*opened)->read(0, 10), std::string(10, 'x')) << "who has it open reads on";
}

TEST_F(OutputsTest, WhatCannotBeKeptWholeIsSaid) {
  std::ofstream(folder_.path() / "blobs") << "a file in the way";
  store_.stream("a", "stdout", std::string(2u << 20, 'x'));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (view("a").outputs.size() < 3 && std::chrono::steady_clock::now() < deadline) store_.stream("a", "stdout", "x");
  ASSERT_EQ(view("a").outputs.size(), 3u);
  EXPECT_NE(view("a").text(2).find("what follows is lost"), std::string::npos) << view("a").text(2);
}

TEST(WholeOutput, IsBoundedAndSaysSo) {
  TempFolder folder;
  const auto file = folder.path() / "of/whole.txt";
  std::string said;
  {
    Workers workers(1);
    WholeLimits limits;
    limits.at_most = 10;
    WholeOutput whole(file, workers, limits);
    for (int i = 0; i < 3; ++i) whole.add("abcdef");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (said.empty() && std::chrono::steady_clock::now() < deadline) said = whole.trouble();
  }
  EXPECT_NE(said.find("are not kept"), std::string::npos);
  EXPECT_EQ(content(file), "abcdefabcd");
}

TEST(WholeOutput, NeverWaitsForASlowDisk) {
  TempFolder folder;
  const auto file = folder.path() / "of/whole.txt";
  {
    std::promise<void> go;  // before the workers, who wait for it
    Workers workers(1);
    workers.submit([on = go.get_future().share()] { on.wait(); });
    WholeLimits limits;
    limits.max_waiting = 5;
    WholeOutput whole(file, workers, limits);
    whole.add("abc");
    whole.add("def");
    EXPECT_EQ(whole.trouble(), "");
    whole.add("g");
    EXPECT_EQ(whole.trouble(), "the disk is slower than what is said");
    whole.add("h");
    EXPECT_EQ(whole.trouble(), "") << "said once";
    go.set_value();
  }
  EXPECT_EQ(content(file), "abcdef");
}

TEST(WholeOutput, LeavesRoomOnTheDisk) {
  TempFolder folder;
  const auto file = folder.path() / "of/whole.txt";
  WholeLimits limits;
  limits.leave_free = std::uint64_t{1} << 62;
  std::unique_ptr<WholeOutput> whole;
  {
    Workers workers(1);
    whole = std::make_unique<WholeOutput>(file, workers, limits);
    whole->add("abc");
  }
  EXPECT_NE(whole->trouble().find("GiB is free on the disk"), std::string::npos);
  EXPECT_EQ(content(file), "");
}

TEST_F(OutputsTest, AFailureOfTheLastPieceIsSaidWhenTheRunEnds) {
  std::ofstream(folder_.path() / "blobs") << "a file in the way";
  store_.stream("a", "stdout", std::string(2u << 20, 'x'));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (view("a").outputs.size() < 3 && std::chrono::steady_clock::now() < deadline) store_.settle("a");
  EXPECT_NE(view("a").text(2).find("what follows is lost"), std::string::npos) << view("a").text(2);
  store_.settle("a");
  EXPECT_EQ(view("a").outputs.size(), 3u) << "said once";
}

TEST_F(OutputsTest, TheFileOfAnOutputWidgetGoesOnWithItsNextCapture) {
  ModelStore models;
  Capture capture(blobs_, models);
  auto& store = capture.outputs();
  ASSERT_TRUE(models.open("w", "jupyter.widget", R"({"state":{"_model_name":"OutputModel","msg_id":"","outputs":[]}})",
                          {}, "a"));
  const auto says = [&](const std::string& msg_id) {
    const auto events = models.message("w", R"({"method":"update","state":{"msg_id":")" + msg_id + R"("}})", {});
    ASSERT_TRUE(events.has_value() && events->size() == 1);
    (void)capture.heard(events->front(), 1);
    for (auto& changed : capture.changed()) {
      (void)models.host_write(changed.model_id, "outputs", std::move(changed.outputs));
    }
  };
  const auto outputs = [&] { return *json::parse(store.shown("w"), {256u << 20, 64, 10'000'000, true}); };
  std::string all;
  for (int i = 0; i < 2'001; ++i) {
    const auto line = display("{\"text/plain\":\"" + std::to_string(i) + "\"}");
    if (i == 0) says("m");
    ASSERT_TRUE(store.add("w", line, "").has_value());
    all += line + "\n";
  }
  says("");
  const auto shown = outputs();
  ASSERT_EQ(shown.as_array()->size(), 2'001u);
  const auto file = kept_file(shown.as_array()->back());
  EXPECT_TRUE(becomes(file, all));
  for (const std::string more : {"more\n", "and more\n"}) {
    says("m");
    store.stream("w", "stdout", more);
    says("");
    all += more;
    EXPECT_TRUE(becomes(file, all)) << "the same file";
    EXPECT_EQ(outputs(), shown) << "one notice";
  }
  (void)models.host_write("w", "outputs", json::Array{});
  says("m");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (fs::exists(file) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_FALSE(fs::exists(file)) << "nothing names it any more";
}

TEST_F(OutputsTest, HostileOutputsAreRefusedOrMadeHarmless) {
  EXPECT_FALSE(store_.add("a", "not json", "").has_value());
  EXPECT_FALSE(store_.add("a", "[]", "").has_value());
  EXPECT_FALSE(store_.add("a", "{\"a\":1} trailing", "").has_value());
  EXPECT_FALSE(store_.add("a", "{\"a\":\"\xff\"}", "").has_value());
  EXPECT_FALSE(store_.add("a", std::string(100'000, '['), "").has_value());
  store_.stream("a", "stdout", "bad \xff byte");
  EXPECT_EQ(view("a").text(0), "bad ? byte");
  store_.load("b", std::make_shared<const std::string>("[{\"broken\""));
  EXPECT_EQ(store_.shown("b"), "[]");
  EXPECT_EQ(saved("b"), "[{\"broken\"") << "what cannot be read is still nobody's to drop";
}

TEST_F(OutputsTest, NobodyCanForgeAReference) {
  const auto secret = blobs_.put("of another notebook", "text/html").sha256;
  const auto forged = R"({"$blob":")" + secret + R"(","size":1,"media_type":"text/html"})";
  ASSERT_TRUE(
      store_.add("a", display(R"({"text/html":)" + forged + R"(,"application/json":)" + forged + "}"), "").has_value());
  const auto* shown = view("a").outputs.at(0).find("data");
  EXPECT_EQ(*shown->find("text/html")->as_string(), forged) << "text, nothing more";
  EXPECT_EQ(*blobs_.get(*shown->find("application/json")->find("$blob")->as_string())->bytes, forged);
  EXPECT_FALSE(store_.has_blob(secret));
  EXPECT_EQ(saved("a").find("another notebook"), std::string::npos);
  EXPECT_NE(saved("a").find(R"("application/json":)" + forged), std::string::npos);
}

TEST_F(OutputsTest, ErasedCellsLeaveNothing) {
  store_.stream("a", "stdout", "x");
  store_.erase("a");
  EXPECT_FALSE(store_.has_outputs("a"));
  EXPECT_TRUE(store_.changed_cells().empty());
  EXPECT_TRUE(store_.cells().empty());
}

TEST(BlobStore, KeepsBytesUnderTheirDigest) {
  TempFolder folder;
  Workers workers(1);
  const auto big = crypto::random_bytes(100'000);
  {
    BlobStore blobs(folder.path() / "blobs", workers);
    const auto ref = blobs.put(big, "image/png");
    EXPECT_EQ(ref.sha256, crypto::sha256_hex(big));
    EXPECT_EQ(*blobs.get(ref.sha256)->bytes, big) << "readable before it is on disk";
    EXPECT_EQ(blobs.put(big, "image/png"), ref);
  }
  BlobStore again(folder.path() / "blobs", workers);
  const auto name = crypto::sha256_hex(big);
  EXPECT_EQ(again.cached(name).bytes, nullptr);
  const auto read = again.get(name);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read->bytes, big);
  EXPECT_EQ(read->media_type, "image/png");
  EXPECT_NE(again.cached(name).bytes, nullptr);
  EXPECT_EQ(again.get(std::string(64, 'a')).error().code, "blob_not_found");
  for (const auto* bad : {"", "../../etc/passwd", "ABCDEF"}) EXPECT_EQ(again.get(bad).error().status, 400);
}

TEST(BlobStore, ADamagedFileIsNotServed) {
  TempFolder folder;
  Workers workers(1);
  std::string name;
  {
    BlobStore blobs(folder.path() / "blobs", workers);
    name = blobs.put("the right bytes", "text/html\nevil: header").sha256;
    EXPECT_EQ(blobs.get(name)->media_type, "text/htmlevil: header") << "no line end gets into a header";
  }
  const auto file = folder.path() / "blobs" / name.substr(0, 2) / name.substr(2);
  ASSERT_TRUE(fs::exists(file));
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  std::ofstream(file, std::ios::app) << "x";
  BlobStore again(folder.path() / "blobs", workers);
  EXPECT_EQ(again.get(name).error().code, "blob_damaged");
}

TEST(BlobStore, WhatCannotBeWrittenStaysReadable) {
  TempFolder folder;
  Workers workers(1);
  std::ofstream(folder.path() / "blobs") << "a file in the way";
  BlobStore blobs(folder.path() / "blobs", workers);
  const auto name = blobs.put("bytes", "text/plain").sha256;
  EXPECT_EQ(*blobs.get(name)->bytes, "bytes");
}

}  // namespace
}  // namespace lectern::runtime::testing
