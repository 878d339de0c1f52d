// The notebook's past, as people see it: who did what and when, how it was, what differs, and bringing it back. Notes
// what Editing publishes; looks back on a worker, on a copy of the document, one question after the other.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "document/history_log.hpp"
#include "document/history_reader.hpp"
#include "session/clients.hpp"
#include "session/invocation.hpp"
#include "session/session.hpp"
#include "session/settings.hpp"

namespace lectern::session {

class LiveSession;
struct Prepared;

/// [worker] Opens the log of a prepared notebook; of a document that is there already, the log then knows its heads.
Status prepare_history(Prepared& prepared, document::JournalWriter& journals, const Settings& settings);

/// [reactor] for every function.
class History {
 public:
  explicit History(LiveSession& session);

  /// The document is there. Comes before the first edit.
  void document_built();
  /// An edit is on disk and told.
  void edited(document::LoggedEdit edit);
  /// Who a client is, for the log.
  [[nodiscard]] document::Author author_of(const Client& client) const;

  /// GET …/history, …/history/{version}, …/blame/{cell}. 404 `unknown_version`, 404 `unknown_cell`, 410 `version_gone`,
  /// 503 `busy`.
  void ask(HistoryQuery query, Reply<CommandReply> reply);
  /// Command `restore`.
  void restore(Invocation invocation);
  /// Writes what the log does not say yet.
  void close();

 private:
  struct Source;  // where the cells of a version are
  using Work = UniqueFunction<Task(document::HistoryReader&)>;

  /// Runs `work` on a worker, then what it returns here.
  void submit(Work work);
  void next();
  /// Answers with what `make` makes on a worker; 503 `busy` when too much waits.
  void later(UniqueFunction<Result<std::string>(document::HistoryReader&)> make, Reply<CommandReply> reply);
  [[nodiscard]] Result<Source> find(const std::string& version) const;
  [[nodiscard]] Result<Source> previous(const std::string& version) const;
  void list(const HistoryQuery& query, Reply<CommandReply> reply);
  void get_ready();
  void show(const HistoryQuery& query, Reply<CommandReply> reply);
  void blame(const HistoryQuery& query, Reply<CommandReply> reply);
  void restore_to(Invocation invocation, std::string version, const std::vector<document::Cell>& target);

  LiveSession& session_;
  std::shared_ptr<document::HistoryReader> reader_;
  std::deque<Work> waiting_;
  bool busy_ = false;
  Timer flush_, drop_;
};

}  // namespace lectern::session
