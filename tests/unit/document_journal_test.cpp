#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <optional>

#include "../support/notebook_formats.hpp"
#include "document/checksum.hpp"
#include "document/journal.hpp"
#include "document/journal_format.hpp"

namespace lectern::document {
namespace {

using test::read_file;
using test::TemporaryFolder;
using test::write_file;

class JournalTest : public testing::Test {
 protected:
  std::string file() const { return folder_ / "journal.lj"; }
  std::unique_ptr<Journal> begin(std::string snapshot = "snapshot") {
    auto journal = *Journal::open(writer_, folder_.path(), nullptr);
    EXPECT_TRUE(journal->rewrite_and_wait(std::move(snapshot), "sidecar", {Record::meta("k", "v")}).has_value());
    return journal;
  }
  Recovered recovered() {
    auto result = Journal::recover(folder_.path());
    EXPECT_TRUE(result.has_value()) << result.error().message;
    EXPECT_TRUE(result->has_value());
    return std::move(**result);
  }
  // Where the last whole append ends, while the journal is in use.
  std::uint64_t end_now() const {
    return journal_format::scan(read_file(file()), [](const auto&) {}).end;
  }
  TemporaryFolder folder_;
  JournalWriter writer_;
};

TEST(Checksum, IsCrc32c) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c("56789", crc32c("1234")), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
}

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  {
    const auto journal = begin();
    ASSERT_TRUE(journal->append_and_wait({Record::change("one"), Record::change("two")}).has_value());
    ASSERT_TRUE(journal->append_and_wait({Record::meta("k", "w"), Record::meta("x", "y")}).has_value());
    ASSERT_TRUE(journal->append_and_wait({Record::meta("x", ""), Record::entry("o", "out")}).has_value());
    EXPECT_EQ(journal->meta("k"), "w");
  }
  const auto all = recovered();
  EXPECT_EQ(all.snapshot, "snapshot");
  EXPECT_EQ(all.sidecar, "sidecar");
  EXPECT_THAT(all.changes, testing::ElementsAre("one", "two"));
  EXPECT_THAT(all.meta, testing::ElementsAre(testing::Pair("k", "w")));
  ASSERT_EQ(all.entries.size(), 1u);
  EXPECT_EQ(all.entries[0].bytes, "out");
  EXPECT_EQ(all.cut_bytes, 0u);
}

TEST_F(JournalTest, GoesOnWhereItEnded) {
  { ASSERT_TRUE(begin()->append_and_wait({Record::change("one")}).has_value()); }
  for (const char* next : {"two", "three"}) {
    const auto before = recovered();
    const auto journal = *Journal::open(writer_, folder_.path(), &before);
    EXPECT_EQ(journal->meta("k"), "v");
    EXPECT_GE(journal->bytes_since_rewrite(), before.changes.front().size()) << "or nobody would ever compact it";
    ASSERT_TRUE(journal->append_and_wait({Record::change(next)}).has_value());
  }
  EXPECT_THAT(recovered().changes, testing::ElementsAre("one", "two", "three"));
}

TEST_F(JournalTest, ThereIsNoneBeforeTheFirstRewrite) {
  EXPECT_EQ(*Journal::recover(folder_.path()), std::nullopt);
  const auto journal = *Journal::open(writer_, folder_.path(), nullptr);
  EXPECT_TRUE(journal->failed());
  EXPECT_EQ(journal->append_and_wait({Record::change("x")}).error().code, "journal_failed");
}

TEST_F(JournalTest, ARewriteTakesThePlaceOfWhatWasBefore) {
  const auto journal = begin();
  ASSERT_TRUE(journal->append_and_wait({Record::change("old"), Record::meta("later", "1")}).has_value());
  EXPECT_GT(journal->bytes_since_rewrite(), 0u);
  ASSERT_TRUE(journal->rewrite_and_wait("all", "side").has_value());
  EXPECT_EQ(journal->bytes_since_rewrite(), 0u);
  ASSERT_TRUE(journal->append_and_wait({Record::change("new")}).has_value());
  const auto all = recovered();
  EXPECT_EQ(all.snapshot, "all");
  EXPECT_THAT(all.changes, testing::ElementsAre("new"));
  EXPECT_THAT(all.meta, testing::ElementsAre(testing::Pair("k", "v"), testing::Pair("later", "1")));
}

// Everything that was appended survives a cut at any byte behind it, and what was torn is gone whole.
TEST_F(JournalTest, ATornTailIsCutAtEveryByte) {
  std::vector<std::uint64_t> ends;
  {
    const auto journal = begin();
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(
          journal->append_and_wait({Record::change("a" + std::to_string(i)), Record::change("b" + std::to_string(i))})
              .has_value());
      ends.push_back(end_now());
    }
  }
  const std::string whole = read_file(file()).substr(0, ends.back());
  const std::uint64_t first = ends[0] - (ends[1] - ends[0]);
  for (std::size_t cut = first; cut <= whole.size(); ++cut) {
    for (const char* tail : {"", "zeros"}) {
      write_file(file(), whole.substr(0, cut) + (*tail != '\0' ? std::string(whole.size() - cut + 100, '\0') : ""));
      const auto all = recovered();
      const auto expected =
          2 * static_cast<std::size_t>(std::count_if(ends.begin(), ends.end(), [&](auto end) { return end <= cut; }));
      ASSERT_EQ(all.changes.size(), expected) << "cut at " << cut;
      const auto journal = *Journal::open(writer_, folder_.path(), &all);
      ASSERT_TRUE(journal->append_and_wait({Record::change("after")}).has_value());
      ASSERT_EQ(recovered().changes.size(), expected + 1) << "cut at " << cut;
    }
  }
}

TEST_F(JournalTest, DamageBeforeTheEndIsReportedAndTheFileKept) {
  {
    const auto journal = begin();
    for (int i = 0; i < 4; ++i)
      ASSERT_TRUE(journal->append_and_wait({Record::change("text" + std::to_string(i))}).has_value());
  }
  const auto end = recovered().end;
  const std::string whole = read_file(file());
  const std::size_t record = journal_format::record_size + 5;
  for (std::size_t at = 0; at < end - record; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    write_file(file(), damaged);
    const auto result = Journal::recover(folder_.path());
    ASSERT_FALSE(result.has_value()) << "byte " << at;
    EXPECT_EQ(result.error().code, "journal_corrupt");
    EXPECT_THAT(result.error().message, testing::HasSubstr(file() + ".corrupt"));
    ASSERT_EQ(read_file(file() + ".corrupt"), damaged);
    EXPECT_EQ(*Journal::recover(folder_.path()), std::nullopt);
  }
  // In the last turn damage cannot be told from a torn write: it is cut, and kept beside when records are in it.
  for (std::size_t at = end - record; at < end; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    write_file(file(), damaged);
    EXPECT_EQ(recovered().changes.size(), 3u) << "byte " << at;
  }
}

TEST_F(JournalTest, ALaterPageOfATornWriteDoesNotMakeItDamage) {
  std::uint64_t good = 0;
  {
    const auto journal = begin();
    ASSERT_TRUE(journal->append_and_wait({Record::change("kept")}).has_value());
    good = end_now();
    ASSERT_TRUE(journal->append_and_wait({Record::change("first"), Record::change("second"), Record::change("third")})
                    .has_value());
  }
  std::string torn = read_file(file());
  std::fill_n(torn.begin() + static_cast<long>(good), 10, '\0');  // the first page did not reach the disk, the next did
  write_file(file(), torn);
  const auto all = recovered();
  EXPECT_THAT(all.changes, testing::ElementsAre("kept"));
  EXPECT_GT(all.cut_bytes, 0u);
  EXPECT_TRUE(std::filesystem::exists(file() + ".torn"));
}

TEST_F(JournalTest, RandomBytesNeverCrashRecovery) {
  std::string bytes = journal_format::header(7);
  std::uint32_t seed = 1;
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 40; ++i) bytes.push_back(static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24));
    write_file(file(), bytes);
    EXPECT_TRUE(Journal::recover(folder_.path()).has_value());
  }
  write_file(file(), "not a journal");
  EXPECT_EQ(Journal::recover(folder_.path()).error().code, "journal_corrupt");
}

TEST_F(JournalTest, CallbacksComeInOrderAndTurnsShareAnFsync) {
  const auto journal = begin();
  const auto before = writer_.figures();
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> order;
  for (int i = 0; i < 500; ++i) {
    journal->append(
        {Record::change(std::to_string(i))},
        [&, i](Status status) {
          std::lock_guard lock(mutex);
          EXPECT_TRUE(status.has_value());
          order.push_back(i);
          changed.notify_one();
        },
        i % 3 == 0 ? Durability::relaxed : Durability::synced);
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return order.size() == 500; }));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_LT(writer_.figures().fsyncs - before.fsyncs, 400u);
  EXPECT_EQ(recovered().changes.size(), 500u);
}

// Extents of the file that were reserved and never written; nullopt where the file system does not tell.
std::optional<unsigned> unwritten_extents(const std::string& path) {
  constexpr unsigned most = 32;
  alignas(fiemap) std::array<char, sizeof(fiemap) + most * sizeof(fiemap_extent)> room{};
  auto* map = reinterpret_cast<fiemap*>(room.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_extent_count = most;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool told = ::ioctl(fd, FS_IOC_FIEMAP, map) == 0;
  ::close(fd);
  if (!told) return std::nullopt;
  unsigned count = 0;
  for (unsigned i = 0; i < map->fm_mapped_extents; ++i) {
    if ((map->fm_extents[i].fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0) ++count;
  }
  return count;
}

// Space that was only reserved would cost every first write to a block a wait for the file system's log.
TEST_F(JournalTest, TheSpaceAheadIsWrittenAndNotOnlyReserved) {
  const auto journal = begin();
  ASSERT_TRUE(journal->append_and_wait({Record::change("one")}).has_value());
  const auto end = end_now();
  const auto size = std::filesystem::file_size(file());
  if (size == end) GTEST_SKIP() << "this file system reserves nothing";
  EXPECT_GE(size, end + (64u << 10));
  EXPECT_LE(size, end + (512u << 10));
  const auto unwritten = unwritten_extents(file());
  if (!unwritten) GTEST_SKIP() << "this file system does not tell";
  EXPECT_EQ(*unwritten, 0u);
}

TEST_F(JournalTest, RecordsGoOnPastTheSpaceAheadOfThem) {
  const auto journal = begin();
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(
        journal->append_and_wait({Record::change(std::string(10'000, static_cast<char>('A' + i)))}).has_value());
  }
  const auto all = recovered();
  ASSERT_EQ(all.changes.size(), 60u);
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(all.changes[static_cast<std::size_t>(i)], std::string(10'000, static_cast<char>('A' + i)));
  }
  EXPECT_EQ(all.cut_bytes, 0u);
}

TEST_F(JournalTest, RecoveringWaitsForWhatIsQueuedAndRetiresTheEarlierObject) {
  const auto earlier = begin();
  for (int i = 0; i < 50; ++i) earlier->append({Record::change("queued")}, {});
  const auto all = recovered();
  EXPECT_EQ(all.changes.size(), 50u);
  const auto journal = *Journal::open(writer_, folder_.path(), &all);
  EXPECT_EQ(earlier->append_and_wait({Record::change("late")}).error().code, "journal_failed");
  EXPECT_FALSE(earlier->rewrite_and_wait("late", "").has_value());
  ASSERT_TRUE(journal->append_and_wait({Record::change("new")}).has_value());
  EXPECT_EQ(recovered().changes.size(), 51u);
}

TEST(JournalWriterEnd, WhatComesAfterItIsRefusedNotLeftWaiting) {
  TemporaryFolder folder;
  auto writer = std::make_optional<JournalWriter>();
  const auto journal = *Journal::open(*writer, folder.path(), nullptr);
  ASSERT_TRUE(journal->rewrite_and_wait("s", "").has_value());
  writer.reset();
  EXPECT_EQ(journal->append_and_wait({Record::change("x")}).error().code, "journal_failed");
  EXPECT_EQ((*Journal::recover(folder.path()))->snapshot, "s");
}

TEST(JournalOnFullDisk, FailsAloudAndResumesFromMemory) {
  // A limit of the process on file sizes stands in for the full disk: the write comes back short, then fails.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  TemporaryFolder folder;
  JournalWriter writer;
  auto journal = *Journal::open(writer, folder.path(), nullptr);
  ASSERT_TRUE(journal->rewrite_and_wait("small", "").has_value());
  rlimit small = before;
  small.rlim_cur = 100'000;
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto refused = journal->append_and_wait({Record::change(std::string(200'000, 'x'))});
  const auto later = journal->append_and_wait({Record::change("y")});
  const auto rewrite = journal->rewrite_and_wait(std::string(200'000, 's'), "");
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "journal_failed");
  EXPECT_EQ(refused.error().status, 503);
  EXPECT_FALSE(later.has_value());
  EXPECT_FALSE(rewrite.has_value());
  EXPECT_TRUE(journal->failed());
  std::string snapshot;
  journal_format::scan(read_file(folder / "journal.lj"), [&](const auto& record) {
    if (record.kind == RecordKind::snapshot) snapshot = record.payload;
  });
  EXPECT_EQ(snapshot, "small") << "what was acknowledged is still there";
  ASSERT_TRUE(journal->rewrite_and_wait("from memory", "").has_value());
  EXPECT_FALSE(journal->failed());
  ASSERT_TRUE(journal->append_and_wait({Record::change("z")}).has_value());
  const auto all = **Journal::recover(folder.path());
  EXPECT_EQ(all.snapshot, "from memory");
  EXPECT_THAT(all.changes, testing::ElementsAre("z"));
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_EQ(entry.path().filename().string().find(".lectern-"), std::string::npos) << "a temporary file was left";
  }
}

}  // namespace
}  // namespace lectern::document
