#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "../support/notebook_formats.hpp"
#include "base/json.hpp"
#include "document/content_sum.hpp"
#include "document/notebook_file.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;
using test::ipynb;
using test::notebook_data;
using test::read_file;
using test::write_file;
using testing::HasSubstr;

class NotebookFileTest : public testing::Test {
 protected:
  NotebookFileTest() { write_file(path(), notebook_data("jupyter-4.5.ipynb")); }
  std::string path() const { return folder_ / "a.ipynb"; }
  std::shared_ptr<const LoadedNotebook> loaded() {
    auto result = load(path(), formats_);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return *result;
  }
  // The notebook as it was read, ready to be saved again.
  SaveRequest request(const std::shared_ptr<const LoadedNotebook>& from) {
    SaveRequest made;
    made.path = path();
    made.format = from->format;
    made.baseline = from;
    made.metadata = from->metadata;
    made.last_known = from->fingerprint;
    made.keep_dir = folder_ / "state";
    for (const auto& cell : from->cells) {
      CellContent content;
      content.id = cell.id;
      content.cell_type = cell.cell_type;
      content.source = cell.source;
      content.metadata = cell.metadata;
      content.attachments = cell.attachments;
      made.cells.push_back(std::move(content));
    }
    return made;
  }
  std::vector<std::string> leftovers() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename();
      if (name != "a.ipynb" && name != "state") names.push_back(name);
    }
    return names;
  }
  test::TemporaryFolder folder_;
  Formats formats_{ipynb()};
};

TEST_F(NotebookFileTest, AnUnchangedNotebookIsNotWritten) {
  const auto notebook = loaded();
  const auto before = fs::last_write_time(path());
  const auto saved = save(request(notebook));
  ASSERT_TRUE(saved.has_value()) << saved.error().message;
  EXPECT_TRUE(saved->unchanged);
  EXPECT_EQ(fs::last_write_time(path()), before);
  EXPECT_EQ(saved->fingerprint, notebook->fingerprint);
}

TEST_F(NotebookFileTest, LookingAtAnOldNotebookDoesNotChangeIt) {
  write_file(path(), notebook_data("jupyter-4.4.ipynb"));
  const auto notebook = loaded();
  EXPECT_TRUE(save(request(notebook))->unchanged);
  auto edited = request(notebook);
  edited.cells[0].source = "# new";
  const auto saved = save(edited);
  ASSERT_TRUE(saved.has_value());
  EXPECT_FALSE(saved->unchanged);
  const auto again = loaded();
  EXPECT_EQ(again->cells[3].id, notebook->cells[3].id);
  EXPECT_EQ(again->cells[3].changed, 0u) << "the ids are in the file now";
}

TEST_F(NotebookFileTest, SavesWhatChangedAndKeepsModeAndTheRest) {
  fs::permissions(path(), fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  const auto notebook = loaded();
  auto edited = request(notebook);
  edited.cells[1].source = "x = 1\n";
  edited.cells[3].outputs = R"([{"output_type":"stream","name":"stdout","text":"hi\n"}])";
  edited.cells[3].execution_count = 9;
  std::optional<Fingerprint> intended;
  edited.record_intent = [&](const Fingerprint& next) -> Status {
    intended = next;
    EXPECT_EQ(read_file(path()), notebook_data("jupyter-4.5.ipynb")) << "the intent comes before the file";
    return {};
  };
  const auto saved = save(edited);
  ASSERT_TRUE(saved.has_value()) << saved.error().message;
  ASSERT_TRUE(intended.has_value());
  EXPECT_EQ(*intended, saved->fingerprint);
  EXPECT_EQ(*fingerprint(path()), saved->fingerprint);
  EXPECT_EQ(fingerprint(path())->mtime_ns, saved->fingerprint.mtime_ns);
  const auto again = loaded();
  EXPECT_EQ(again->cells[1].source, "x = 1\n");
  EXPECT_EQ(again->cells[1].outputs, notebook->cells[1].outputs);
  EXPECT_EQ(again->cells[3].execution_count, 9);
  EXPECT_EQ(again->cells[0].original, notebook->cells[0].original);
  EXPECT_EQ(fs::status(path()).permissions(), fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  EXPECT_THAT(leftovers(), testing::IsEmpty());
  EXPECT_TRUE(saved->kept_copy.empty());
}

TEST_F(NotebookFileTest, SavesInARowStartFromTheSameBaseline) {
  const auto notebook = loaded();
  auto edited = request(notebook);
  for (const char* text : {"one", "two", "three"}) {
    edited.cells[1].source = text;
    const auto saved = save(edited);
    ASSERT_TRUE(saved.has_value()) << saved.error().message;
    edited.last_known = saved->fingerprint;
    EXPECT_EQ(loaded()->cells[1].source, text);
  }
  edited.cells[1].source = notebook->cells[1].source;
  ASSERT_TRUE(save(edited).has_value());
  EXPECT_EQ(read_file(path()), notebook_data("jupyter-4.5.ipynb")) << "undone is undone to the byte";
}

TEST_F(NotebookFileTest, SomebodyElsesEditIsNeverOverwritten) {
  auto edited = request(loaded());
  edited.cells[1].source = "ours";
  const std::string theirs = notebook_data("jupyter-4.4.ipynb");
  write_file(path(), theirs);
  const auto refused = save(edited);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, 409);
  EXPECT_EQ(refused.error().code, "conflict");
  EXPECT_EQ(read_file(path()), theirs);
  EXPECT_TRUE(json::parse(refused.error().details)->find("theirs")->is_object());
  edited.overwrite_foreign = true;
  const auto forced = save(edited);
  ASSERT_TRUE(forced.has_value()) << forced.error().message;
  EXPECT_EQ(read_file(forced->kept_copy), theirs);
  EXPECT_EQ(loaded()->cells[1].source, "ours");
}

// What the file holds is first compared with what was read from it; however little differs, it is seen and named.
TEST_F(NotebookFileTest, TheFileIsKnownByItsContentHoweverMuchOfItIsAsItWasRead) {
  const auto notebook = loaded();
  const std::string read = notebook_data("jupyter-4.5.ipynb");
  auto first = read, middle = read, last = read;
  first.front() = ' ';
  middle[read.size() / 2] = static_cast<char>(middle[read.size() / 2] + 1);
  last.back() = ' ';
  for (const auto& theirs : {first, middle, last, read + " ", read.substr(0, read.size() - 1), std::string()}) {
    write_file(path(), theirs);
    auto edited = request(notebook);
    edited.cells[1].source = "ours";
    const auto refused = save(edited);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, "conflict");
    const auto details = json::parse(refused.error().details);
    EXPECT_EQ(*details->find("theirs")->find("sum")->as_string(), sum_of(theirs));
    edited.last_known = fingerprint_from_json(json::write(*details->find("theirs")));
    ASSERT_TRUE(edited.last_known.has_value());
    EXPECT_TRUE(save(edited).has_value()) << "once it is known, it is replaced";
    EXPECT_EQ(loaded()->cells[1].source, "ours");
  }
  write_file(path(), read);
  EXPECT_EQ(*fingerprint(path()), notebook->fingerprint);
  EXPECT_TRUE(save(request(notebook))->unchanged);
}

TEST_F(NotebookFileTest, AnEditThatSetsTheClockBackIsSeen) {
  auto edited = request(loaded());
  edited.cells[1].source = "ours";
  const auto saved = save(edited);
  ASSERT_TRUE(saved.has_value());
  edited.last_known = saved->fingerprint;
  edited.cells[1].source = "ours, later";
  auto theirs = read_file(path());
  theirs[theirs.find("ours")] = 'O';
  write_file(path(), theirs);
  const timespec at{saved->fingerprint.mtime_ns / 1'000'000'000, saved->fingerprint.mtime_ns % 1'000'000'000};
  const timespec times[] = {at, at};
  ASSERT_EQ(::utimensat(AT_FDCWD, path().c_str(), times, 0), 0);
  const auto refused = save(edited);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "conflict");
  EXPECT_EQ(read_file(path()), theirs);
}

TEST_F(NotebookFileTest, AVersionIsWhatTheSaveReplaced) {
  const auto notebook = loaded();
  const auto only_copy = [&] {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_ / "state/copies")) found.push_back(entry.path());
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? std::string() : found.front();
  };
  auto edited = request(notebook);
  edited.cells[1].source = "one";
  const auto saved = save(edited);
  ASSERT_TRUE(saved.has_value());
  EXPECT_EQ(read_file(only_copy()), notebook_data("jupyter-4.5.ipynb"));
  fs::remove(only_copy());
  const auto one = read_file(path());
  edited.last_known = saved->fingerprint;
  edited.cells[1].source = "two";
  ASSERT_TRUE(save(edited).has_value());
  EXPECT_EQ(read_file(only_copy()), one) << "which nobody here holds in memory any more";
}

TEST_F(NotebookFileTest, AnEditWhileTheIntentIsRecordedIsSeenToo) {
  auto edited = request(loaded());
  edited.cells[1].source = "ours";
  edited.record_intent = [&](const Fingerprint&) -> Status {
    write_file(path(), "{}");
    return {};
  };
  EXPECT_EQ(save(edited).error().code, "conflict");
  EXPECT_EQ(read_file(path()), "{}");
  EXPECT_THAT(leftovers(), testing::IsEmpty());
}

TEST_F(NotebookFileTest, AFileThatWasNeverReadIsNotReplaced) {
  SaveRequest fresh;
  fresh.path = path();
  fresh.format = ipynb();
  EXPECT_EQ(save(fresh).error().code, "conflict");
  EXPECT_EQ(read_file(path()), notebook_data("jupyter-4.5.ipynb"));
}

TEST_F(NotebookFileTest, ACopyIsKeptBeforeMostOfItGoes) {
  const auto notebook = loaded();
  auto emptied = request(notebook);
  emptied.cells.clear();
  const auto saved = save(emptied);
  ASSERT_TRUE(saved.has_value()) << saved.error().message;
  EXPECT_EQ(read_file(saved->kept_copy), notebook_data("jupyter-4.5.ipynb"));
  EXPECT_EQ(loaded()->cells.size(), 0u);
}

TEST_F(NotebookFileTest, ACopyIsKeptBeforeMoreThanATenthOfItGoes) {
  const auto with = [this](std::size_t size) {
    auto edited = request(loaded());
    edited.cells[1].source = std::string(size, 'x');
    const auto saved = save(edited);
    EXPECT_TRUE(saved.has_value());
    return saved ? saved->kept_copy : "";
  };
  EXPECT_EQ(with(100'000), "");
  const auto before = read_file(path());
  EXPECT_EQ(with(95'000), "") << "it is in the history";
  const auto copy = with(80'000);
  ASSERT_NE(copy, "");
  EXPECT_NE(read_file(copy), before) << "of what was there last";
  EXPECT_GT(read_file(copy).size(), 95'000u);
}

TEST_F(NotebookFileTest, ADeletedFileIsWrittenAgain) {
  auto edited = request(loaded());
  fs::remove(path());
  edited.cells[1].source = "still here";
  ASSERT_TRUE(save(edited).has_value());
  EXPECT_EQ(loaded()->cells[1].source, "still here");
}

TEST_F(NotebookFileTest, ReadOnlyFilesStayAsTheyAre) {
  fs::permissions(path(), fs::perms::owner_read);
  const auto notebook = loaded();
  EXPECT_FALSE(notebook->writable);
  auto edited = request(notebook);
  edited.cells[1].source = "ours";
  const auto refused = save(edited);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "permission_denied");
  EXPECT_THAT(refused.error().message, HasSubstr(path()));
  EXPECT_EQ(read_file(path()), notebook_data("jupyter-4.5.ipynb"));
}

TEST_F(NotebookFileTest, AFullDiskLeavesTheOldFile) {
  std::signal(SIGXFSZ, SIG_IGN);
  auto edited = request(loaded());
  edited.cells[1].source = std::string(300'000, 'x');
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 100'000;
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto refused = save(edited);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, 507);
  EXPECT_EQ(refused.error().code, "disk_full");
  EXPECT_THAT(refused.error().message, HasSubstr("as it was before"));
  EXPECT_EQ(read_file(path()), notebook_data("jupyter-4.5.ipynb"));
  EXPECT_THAT(leftovers(), testing::IsEmpty());
}

TEST_F(NotebookFileTest, AFolderThatIsGoneIsNamed) {
  auto edited = request(loaded());
  edited.path = folder_ / "gone/a.ipynb";
  edited.last_known.reset();
  const auto refused = save(edited);
  EXPECT_EQ(refused.error().code, "not_found");
  EXPECT_THAT(refused.error().message, HasSubstr("gone/a.ipynb"));
}

TEST_F(NotebookFileTest, LargeFilesAreRefusedBeforeTheyAreRead) {
  fs::resize_file(path(), 200u << 20);  // sparse
  const auto refused = load(path(), formats_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, 413);
  EXPECT_EQ(refused.error().code, "too_large");
  EXPECT_THAT(refused.error().message, HasSubstr("200 MiB"));
  FileLimits limits;
  limits.max_cells = 3;
  write_file(path(), notebook_data("jupyter-4.5.ipynb"));
  EXPECT_EQ(load(path(), formats_, limits).error().code, "too_large");
}

TEST_F(NotebookFileTest, WhatIsTooLargeNamesTheSetting) {
  const auto hint = [&](const FileLimits& limits) {
    const auto refused = load(path(), formats_, limits);
    return refused ? std::string("opened") : refused.error().hint;
  };
  write_file(path(), notebook_data("jupyter-4.5.ipynb"));
  EXPECT_EQ(hint({}), "opened");
  EXPECT_THAT(hint({100, 100'000, 64u << 20, 128}), HasSubstr("max-notebook-bytes"));
  EXPECT_THAT(hint({128u << 20, 3, 64u << 20, 128}), HasSubstr("max-notebook-cells"));
  EXPECT_THAT(hint({128u << 20, 100'000, 4, 128}), HasSubstr("max-cell-bytes"));
  EXPECT_THAT(hint({128u << 20, 100'000, 64u << 20, 2}), HasSubstr("max-notebook-depth"));
}

TEST_F(NotebookFileTest, HowDeepMetadataMayBeIsKnownWhenItIsOpened) {
  const auto with = [&](const std::string& metadata) {
    write_file(path(), R"({"cells":[{"cell_type":"raw","id":"a","metadata":)" + metadata +
                           R"(,"source":""}],"metadata":{},"nbformat":4,"nbformat_minor":5})");
    const auto loaded = load(path(), formats_);
    EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
    return check_nesting(**loaded, 4);
  };
  EXPECT_TRUE(with(R"({"a":[[[1]],"]]]]]]","[[[[[\"[[[["]})").has_value());
  const auto refused = with(R"({"a":[1,{"b":[[]]}]})");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "malformed");
  EXPECT_THAT(refused.error().message, HasSubstr("cells[0].metadata"));
}

TEST_F(NotebookFileTest, WhatCannotBeReadSaysWhy) {
  write_file(path(), "{\n \"cells\": [\n  {\n");
  const auto malformed = load(path(), formats_);
  EXPECT_EQ(malformed.error().status, 422);
  EXPECT_EQ(malformed.error().code, "malformed");
  EXPECT_EQ(malformed.error().details, R"({"line":4,"column":1})");
  EXPECT_THAT(malformed.error().message, HasSubstr(path()));
  EXPECT_EQ(read_file(path()), "{\n \"cells\": [\n  {\n");
  write_file(folder_ / "a.txt", "hello");
  const auto unknown = load(folder_ / "a.txt", formats_);
  EXPECT_EQ(unknown.error().status, 415);
  EXPECT_EQ(unknown.error().code, "unknown_format");
  EXPECT_THAT(unknown.error().hint, HasSubstr(".ipynb"));
  EXPECT_THAT(load(path(), {}).error().hint, HasSubstr("no format plugin"));
  EXPECT_EQ(load(folder_ / "none.ipynb", formats_).error().code, "not_found");
  EXPECT_EQ(load(folder_.path(), formats_).error().code, "is_a_folder");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.ipynb").c_str(), 0600), 0);
  EXPECT_EQ(load(folder_ / "pipe.ipynb", formats_).error().code, "not_a_file") << "and does not wait for a writer";
}

TEST_F(NotebookFileTest, ANewNotebookIsWritten) {
  SaveRequest fresh;
  fresh.path = folder_ / "new.ipynb";
  fresh.format = *format_for_path(fresh.path, formats_);
  CellContent cell;
  cell.id = "c1";
  cell.cell_type = "code";
  fresh.cells.push_back(cell);
  ASSERT_TRUE(save(fresh).has_value());
  EXPECT_THAT(read_file(fresh.path), HasSubstr("\"nbformat_minor\": 5"));
  EXPECT_EQ((*load(fresh.path, formats_))->cells.size(), 1u);
  EXPECT_EQ(format_for_path("/x/y.py", formats_).error().code, "unknown_format");
}

TEST(Fingerprint, SurvivesJson) {
  const Fingerprint print{"ab", 7, 1'234'567'890'123'456'789};
  const auto back = fingerprint_from_json(to_json(print));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, print);
  EXPECT_EQ(back->mtime_ns, print.mtime_ns);
  EXPECT_FALSE(fingerprint_from_json("{}").has_value());
  EXPECT_FALSE(fingerprint_from_json("x").has_value());
}

}  // namespace
}  // namespace lectern::document
