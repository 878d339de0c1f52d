// NotebookRegistry over SQLite. Poco, and its exceptions, stay in this file.
#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>
#include <Poco/Exception.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <mutex>
#include <utility>

#include "base/clock.hpp"
#include "document/notebook_registry.hpp"

namespace lectern::document {
namespace {

using namespace Poco::Data::Keywords;  // the library's own way of writing statements: into, use, now

constexpr std::size_t seconds_to_open = 1;  // the library tries again and again until then

struct Damaged {
  std::string why;
};

tl::unexpected<Error> failed(const std::string& file, const std::string& why) {
  return fail(500, "registry_failed", "the registry of notebooks " + file + " does not work: " + why,
              "notebooks open without it; look at the disk, or move the file away");
}

class SqliteRegistry final : public NotebookRegistry {
 public:
  /// Throws Damaged, or what Poco throws.
  explicit SqliteRegistry(std::string file) : file_(std::move(file)), session_("SQLite", file_, seconds_to_open) {
    session_ << "PRAGMA busy_timeout = 2000", now;
    std::string check;
    session_ << "PRAGMA quick_check(1)", into(check), now;
    if (check != "ok") throw Damaged{check};
    // A power cut may take back the last rows, which costs no more than a session's id; it never damages the file.
    std::string mode;
    session_ << "PRAGMA journal_mode = WAL", into(mode), now;
    session_ << "PRAGMA synchronous = NORMAL", now;
    session_ << "CREATE TABLE IF NOT EXISTS notebooks (path TEXT PRIMARY KEY, notebook_id TEXT NOT NULL UNIQUE, "
                "session_id TEXT NOT NULL, state TEXT NOT NULL) WITHOUT ROWID",
        now;
  }

  Result<std::optional<KnownNotebook>> find(const std::string& path) override {
    return guarded([&]() -> Result<std::optional<KnownNotebook>> {
      KnownNotebook known;
      std::string wanted = path;
      Poco::Data::Statement statement(session_);
      statement << "SELECT notebook_id, session_id, state FROM notebooks WHERE path = ?", into(known.notebook_id),
          into(known.session_id), into(known.state), use(wanted);
      if (statement.execute() == 0) return std::optional<KnownNotebook>();
      return std::optional(std::move(known));
    });
  }

  Status put(const std::string& path, const KnownNotebook& notebook) override {
    return guarded([&]() -> Status {
      auto row = notebook;
      std::string where = path;
      // REPLACE removes whatever else has this path or this notebook.
      session_ << "REPLACE INTO notebooks (path, notebook_id, session_id, state) VALUES (?, ?, ?, ?)", use(where),
          use(row.notebook_id), use(row.session_id), use(row.state), now;
      return {};
    });
  }

 private:
  template <class Work>
  auto guarded(Work work) -> decltype(work()) {
    const std::scoped_lock lock(mutex_);
    try {
      return work();
    } catch (const Poco::Exception& problem) {
      return failed(file_, problem.displayText());
    } catch (const std::exception& problem) {
      return failed(file_, problem.what());
    }
  }

  std::mutex mutex_;
  std::string file_;
  Poco::Data::Session session_;
};

bool is_database(const std::string& file) {
  constexpr std::string_view magic("SQLite format 3\0", 16);
  std::ifstream in(file, std::ios::binary);
  std::string head(magic.size(), '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  return in.gcount() == 0 || head == magic;  // one that is empty or missing becomes one
}

Result<std::string> set_aside(const std::string& file) {
  auto kept = file + ".corrupt-" + std::to_string(clock::wall_ms());
  if (std::rename(file.c_str(), kept.c_str()) != 0) return failed(file, "it is damaged and cannot be moved away");
  for (const auto* end : {"-wal", "-shm", "-journal"}) ::unlink((file + end).c_str());
  return kept;
}

Result<NotebookRegistry::Opened> open_whole(const std::string& file) {
  try {
    if (!is_database(file)) throw Damaged{"it is no database"};
    NotebookRegistry::Opened opened;
    opened.registry = std::make_unique<SqliteRegistry>(file);
    ::chmod(file.c_str(), 0600);
    return opened;
  } catch (const Damaged& damage) {
    return fail(500, "damaged", damage.why);
  } catch (const Poco::Data::SQLite::CorruptImageException& damage) {
    return fail(500, "damaged", damage.displayText());
  } catch (const Poco::Exception& problem) {
    return failed(file, problem.displayText());
  } catch (const std::exception& problem) {
    return failed(file, problem.what());
  }
}

Result<NotebookRegistry::Opened> open_registry(const std::string& file) {
  static const bool registered = [] {
    Poco::Data::SQLite::Connector::registerConnector();
    return true;
  }();
  (void)registered;
  auto opened = open_whole(file);
  if (opened || opened.error().code != "damaged") return opened;
  LECTERN_TRY(auto kept, set_aside(file));
  opened = open_whole(file);
  if (opened) opened->set_aside = std::move(kept);
  return opened;
}

}  // namespace
}  // namespace lectern::document

extern "C" __attribute__((visibility("default"))) lectern::document::OpenRegistry lectern_registry() {
  return &lectern::document::open_registry;
}
