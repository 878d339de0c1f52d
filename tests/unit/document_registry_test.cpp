// Ids that survive a restart and a move, and a database that was damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "../support/failing_folders.hpp"
#include "../support/notebook_formats.hpp"
#include "document/notebook_registry.hpp"
#include "document/notebook_store.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;
using test::ipynb;
using test::notebook_data;
using test::write_file;

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    fs::create_directories(folder_ / "root");
    write_file(folder_ / "root/a.ipynb", notebook_data("jupyter-4.5.ipynb"));
    restart();
  }
  void restart() {
    store_.reset();
    NotebookStore::Options options;
    options.state_dir = folder_ / "state";
    options.registry = true;
    store_ = std::move(*NotebookStore::create(options, writer_));
  }
  OpenedNotebook open(const std::string& name) {
    auto opened = store_->open(*PathPolicy::create(folder_ / "root")->resolve(name), {ipynb()});
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  struct Ids {
    std::string notebook, session, state;
    bool operator==(const Ids&) const = default;
  };
  Ids ids_of(const std::string& name) {
    const auto book = open(name);
    return {book.notebook_id, book.session_id, book.state_dir};
  }
  [[nodiscard]] std::string database() const { return folder_ / "state/notebooks.db"; }
  /// As the watcher of a live session tells it.
  Ids move(const std::string& from, const std::string& to) {
    const auto book = open(from);
    fs::rename(folder_ / ("root/" + from), folder_ / ("root/" + to));
    store_->moved(book.notebook_id, book.session_id, book.state_dir, folder_ / ("root/" + to), store_->next_move());
    return {book.notebook_id, book.session_id, book.state_dir};
  }
  test::TemporaryFolder folder_;
  JournalWriter writer_;
  std::unique_ptr<NotebookStore> store_;
};

TEST_F(RegistryTest, IdsSurviveARestart) {
  const auto before = ids_of("a.ipynb");
  EXPECT_FALSE(before.session.empty());
  restart();
  EXPECT_EQ(ids_of("a.ipynb"), before);
}

TEST_F(RegistryTest, ASessionThatWasEndedIsNotTheNextOne) {
  const auto before = ids_of("a.ipynb");
  store_->session_ended(folder_ / "root/a.ipynb");
  const auto after = ids_of("a.ipynb");
  EXPECT_EQ(after.notebook, before.notebook);
  EXPECT_NE(after.session, before.session);
}

TEST_F(RegistryTest, ARenameThatWasOnlyNotMadeDurableIsOneAllTheSame) {
  const auto before = ids_of("a.ipynb");
  const std::string from = folder_ / "root/a.ipynb", to = folder_ / "root/b.ipynb";
  const Status failed = fail(500, "io_error", "the disk says no");
  EXPECT_FALSE(store_->rename(from, to, true, [&] { return failed; }).has_value());
  EXPECT_EQ(ids_of("a.ipynb"), before);
  const auto renamed = store_->rename(from, to, true, [&] {
    fs::rename(from, to);
    return failed;
  });
  EXPECT_TRUE(renamed.has_value());
  EXPECT_EQ(ids_of("b.ipynb").notebook, before.notebook);
}

TEST_F(RegistryTest, AMovedNotebookIsTheSameAndItsOldPlaceIsFree) {
  const auto before = move("a.ipynb", "b.ipynb");
  write_file(folder_ / "root/a.ipynb", notebook_data("colab.ipynb"));
  restart();
  EXPECT_EQ(ids_of("b.ipynb"), before);
  const auto other = ids_of("a.ipynb");
  EXPECT_NE(other.notebook, before.notebook);
  EXPECT_NE(other.state, before.state);
  restart();
  EXPECT_EQ(ids_of("a.ipynb"), other);
}

TEST_F(RegistryTest, OfTwoMovesThatAreToldInTheWrongOrderTheLaterOneCounts) {
  const auto before = ids_of("a.ipynb");
  const std::string second = folder_ / "root/c.ipynb", third = folder_ / "root/d.ipynb";
  const auto to_b = store_->next_move(), to_c = store_->next_move();
  fs::rename(folder_ / "root/a.ipynb", second);
  store_->moved(before.notebook, before.session, before.state, second, to_c);
  store_->moved(before.notebook, before.session, before.state, folder_ / "root/b.ipynb", to_b);
  restart();
  EXPECT_EQ(ids_of("c.ipynb"), before);
  // One that is told late, after a rename by the host itself.
  const auto seen = store_->next_move();
  const auto work = [&] { return fs::rename(second, third), Status(); };
  ASSERT_TRUE(store_->rename_open(second, third, before.notebook, before.session, before.state, work).has_value());
  store_->moved(before.notebook, before.session, before.state, second, seen);
  restart();
  EXPECT_EQ(ids_of("d.ipynb"), before);
}

TEST_F(RegistryTest, AMoveThatIsToldAfterThatOfItsFolderCountsAndTheFoldersToo) {
  fs::create_directory(folder_ / "root/d");
  const auto before = move("a.ipynb", "d/a.ipynb");
  const std::string folder = folder_ / "root/d", now = folder_ / "root/e";
  const auto seen = store_->next_move();
  fs::rename(folder + "/a.ipynb", folder + "/b.ipynb");
  ASSERT_TRUE(store_->rename_folder(folder, now, [&] { return fs::rename(folder, now), Status(); }).has_value());
  store_->moved(before.notebook, before.session, before.state, folder + "/b.ipynb", seen);
  restart();
  EXPECT_EQ(ids_of("e/b.ipynb"), before);
}

TEST_F(RegistryTest, AMoveThatIsToldBeforeAnEarlierOneOfItsFolderStays) {
  fs::create_directory(folder_ / "root/d");
  const auto before = move("a.ipynb", "d/a.ipynb");
  const std::string folder = folder_ / "root/d", now = folder_ / "root/e";
  const auto work = [&]() -> Status {
    fs::rename(folder, now);
    fs::create_directory(folder);  // another one, to which it comes back
    fs::rename(now + "/a.ipynb", folder + "/a.ipynb");
    store_->moved(before.notebook, before.session, before.state, folder + "/a.ipynb", store_->next_move());
    return {};
  };
  ASSERT_TRUE(store_->rename_folder(folder, now, work).has_value());
  restart();
  EXPECT_EQ(ids_of("d/a.ipynb"), before);
}

TEST_F(RegistryTest, ADamagedDatabaseIsSetAsideAndNoNotebookIsLost) {
  const auto moved = move("a.ipynb", "b.ipynb");
  store_.reset();
  for (const auto* damage : {"not a database at all", "SQLite format 3"}) {
    for (const auto* end : {"-wal", "-shm"}) fs::remove(database() + end);
    auto bytes = std::string(damage) + std::string(1, '\0') + std::string(8000, 'x');
    write_file(database(), bytes);
    restart();
    const auto after = ids_of("b.ipynb");
    EXPECT_EQ(after.notebook, moved.notebook) << damage;
    EXPECT_EQ(after.state, moved.state) << damage;
    EXPECT_FALSE(after.session.empty());
    std::size_t kept = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "state")) {
      if (entry.path().string().find("notebooks.db.corrupt-") == std::string::npos) continue;
      ++kept;
      EXPECT_EQ(test::read_file(entry.path()), bytes);
      fs::remove(entry.path());
    }
    EXPECT_EQ(kept, 1u) << damage;
    restart();
    EXPECT_EQ(ids_of("b.ipynb"), after) << "what was begun anew is kept";
    store_.reset();
  }
}

TEST_F(RegistryTest, AFolderThatCannotBeListedEndsNothing) {
  const auto before = ids_of("a.ipynb");
  store_.reset();
  for (const auto* end : {"", "-wal", "-shm"}) fs::remove(database() + end);
  write_file(database(), std::string(4000, 'x'));
  restart();
  const test::FolderFails after(1);
  EXPECT_EQ(ids_of("a.ipynb").notebook, before.notebook);
  EXPECT_TRUE(after.failed());
}

TEST_F(RegistryTest, WithoutADatabaseNotebooksOpenAllTheSame) {
  store_.reset();
  fs::create_directory(database());
  restart();
  const auto before = ids_of("a.ipynb");
  EXPECT_EQ(ids_of("a.ipynb").notebook, before.notebook);
}

TEST(RegistryRowsTest, APathHasOneNotebookAndANotebookOnePath) {
  test::TemporaryFolder folder;
  auto opened = NotebookRegistry::open(folder / "r.db");
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  auto& registry = *opened->registry;
  EXPECT_FALSE(registry.find("/a")->has_value());
  ASSERT_TRUE(registry.put("/a", {"n1", "s1", "d1"}).has_value());
  ASSERT_TRUE(registry.put("/b'; DROP TABLE notebooks; --", {"n1", "s2", "d1"}).has_value());
  EXPECT_FALSE(registry.find("/a")->has_value());
  const auto found = *registry.find("/b'; DROP TABLE notebooks; --");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->session_id, "s2");
  ASSERT_TRUE(registry.put("/b'; DROP TABLE notebooks; --", {"n2", "", "d2"}).has_value());
  EXPECT_EQ((*registry.find("/b'; DROP TABLE notebooks; --"))->notebook_id, "n2");
  // Another host with the same state sees it.
  auto second = NotebookRegistry::open(folder / "r.db");
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ((*second->registry->find("/b'; DROP TABLE notebooks; --"))->state, "d2");
}

}  // namespace
}  // namespace lectern::document
