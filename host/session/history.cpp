#include "session/history.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/number.hpp"
#include "base/text.hpp"
#include "base/workers.hpp"
#include "document/history_difference.hpp"
#include "document/notebook_store.hpp"
#include "session/authorization.hpp"
#include "session/editing.hpp"
#include "session/history_answers.hpp"
#include "session/live_session.hpp"
#include "session/policy_driver.hpp"

namespace lectern::session {
namespace {

using document::Cell;
using document::Version;
using namespace std::chrono_literals;

constexpr std::size_t most_waiting = 32;
constexpr std::size_t most_rows = 200;
constexpr std::uint64_t most_made_unasked = 1'000'000;  // operations: a second or two, and some hundred megabytes
constexpr auto flush_after = 2s;
constexpr auto copy_kept = 60s;  // somebody who leafs through versions should not wait for each

Error unknown_version(std::string_view version) {
  return {404, "unknown_version", "there is no version '" + text::label(version, 40) + "'",
          "GET .../history lists them; 'now', 'file' and 'previous' are names", ""};
}

Error too_busy() {
  return {503, "busy", "too many questions about the history wait", "try again in a moment", ""};
}

// The heads of the last save are as the saver wrote them: hex, with blanks between. A file that was never saved holds
// what its history began with.
Prepared::Behind what_the_file_lacked(const document::OpenedNotebook& notebook, document::NotebookDocument& document,
                                      const document::HistoryLog& log) {
  Prepared::Behind behind;
  if (notebook.outside) return behind;  // the file holds what nobody here has seen yet
  behind.history_id = notebook.history_id;
  if (notebook.saved_heads.empty() && notebook.file != nullptr) {
    for (const auto& version : log.versions()) {
      if (version.history_id == notebook.history_id && version.source == "import") behind.heads = version.heads;
    }
  }
  std::string_view rest = notebook.saved_heads;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(' '), rest.size());
    const auto head = document::ChangeHash::from_hex(rest.substr(0, end));
    if (!head || !document.contains(*head)) return {};
    behind.heads.push_back(*head);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (behind.heads.empty()) return {};
  const auto missing = document.changes_since(behind.heads);
  behind.edits = missing ? missing->size() : 0;
  return behind;
}

}  // namespace

Status prepare_history(Prepared& prepared, document::JournalWriter& journals, const Settings& settings) {
  auto& notebook = prepared.notebook;
  document::HistoryLimits limits;
  limits.quiet_ms = settings.version_quiet_ms;
  limits.at_most_ms = settings.version_at_most_ms;
  auto log = notebook.unwritable ? document::HistoryLog::only_read(journals, notebook.state_dir, limits)
                                 : document::HistoryLog::open(journals, notebook.state_dir, limits);
  if (!log) return fail(std::move(log).error());
  prepared.history = std::make_unique<document::HistoryLog>(std::move(*log));
  if (notebook.start == document::Start::imported && notebook.file == nullptr) prepared.history->forget();
  if (!prepared.document) return {};
  std::vector<document::Author> people;
  for (const auto& [id, text] : prepared.ledger.state.clients) people.push_back(Clients::author_from_json(id, text));
  const auto author_of = [&people](std::string_view actor) {
    for (const auto& person : people) {
      for (const auto& own : person.actors) {
        if (actor.ends_with(own)) return person;
      }
    }
    return document::Author{};
  };
  prepared.history->catch_up(notebook.history_id, *prepared.document, "import", true, clock::wall_ms(), author_of);
  prepared.behind = what_the_file_lacked(notebook, *prepared.document, *prepared.history);
  return {};
}

// Where the cells of a version are.
struct History::Source {
  enum class Kind { document, file, copy, nothing } kind = Kind::nothing;
  std::string history_id;
  std::vector<document::ChangeHash> heads;
  std::string path;     // of the file; the state folder for a copy
  std::string version;  // of a copy
  document::Formats formats;
  document::FileLimits limits;

  /// [worker]
  [[nodiscard]] Result<std::vector<Cell>> cells(document::HistoryReader& reader) const {
    switch (kind) {
      case Kind::document:
        return reader.cells_at(history_id, heads);
      case Kind::file:
        return cells_of_file(path, formats, limits);
      case Kind::copy:
        for (const auto& kept : kept_copies(path)) {
          if (kept.version == version) return cells_of_file(kept.path, formats, limits);
        }
        return fail(unknown_version(version));
      case Kind::nothing:
        break;
    }
    return std::vector<Cell>{};
  }
};

History::History(LiveSession& session)
    : session_(session),
      reader_(std::make_shared<document::HistoryReader>(session.prepared().notebook.state_dir)),
      flush_(session.loop()),
      drop_(session.loop()) {}

void History::document_built() {
  const auto& prepared = session_.prepared();
  prepared.history->catch_up(prepared.notebook.history_id, session_.editing().document(),
                             prepared.notebook.file ? "import" : "create", false, clock::wall_ms(), nullptr);
}

document::Author History::author_of(const Client& client) const {
  document::Author author;
  author.client_id = client.id;
  author.label = client.label;
  if (const auto* member = session_.room().find(client.number)) author.device = member->device;
  author.actors = client.actors;
  author.actors.push_back(client.host_actor());
  return author;
}

void History::edited(document::LoggedEdit edit) {
  edit.history_id = session_.prepared().notebook.history_id;
  edit.together = session_.policies().current()->multi_editor();
  session_.prepared().history->note(std::move(edit), clock::wall_ms());
  if (flush_.armed()) return;
  flush_.start(flush_after, [this] { session_.prepared().history->flush(); });
}

void History::close() {
  flush_.cancel();
  drop_.cancel();
  session_.prepared().history->flush();
  session_.services().workers->submit([kept = reader_] { kept->drop(); });
}

void History::submit(Work work) {
  waiting_.push_back(std::move(work));
  next();
}

void History::next() {
  if (busy_ || waiting_.empty()) return;
  busy_ = true;
  drop_.cancel();
  auto work = std::move(waiting_.front());
  waiting_.pop_front();
  session_.services().workers->submit([weak = session_.weak_from_this(), reader = reader_, work = std::move(work),
                                       token = session_.at_work(), &loop = session_.loop()]() mutable {
    auto then = work(*reader);
    loop.post([weak, then = std::move(then)]() mutable {
      then();
      const auto session = weak.lock();
      if (!session || session->ended()) return;
      auto& self = session->history();
      self.busy_ = false;
      self.next();
      if (self.busy_) return;
      self.drop_.start(copy_kept,
                       [&self] { self.session_.services().workers->submit([kept = self.reader_] { kept->drop(); }); });
    });
  });
}

Result<History::Source> History::find(const std::string& version) const {
  const auto& prepared = session_.prepared();
  Source source;
  source.formats = prepared.formats;
  source.limits = session_.services().store->limits();
  if (version == "file") {
    source.kind = Source::Kind::file;
    source.path = session_.path();
    return source;
  }
  if (version.starts_with("copy-")) {
    source.kind = Source::Kind::copy;
    source.path = prepared.notebook.state_dir;
    source.version = version;
    return source;
  }
  if (version == "saved" && prepared.behind.edits > 0) {
    source.kind = Source::Kind::document;
    source.history_id = prepared.behind.history_id;
    source.heads = prepared.behind.heads;
    return source;
  }
  const auto& log = *prepared.history;
  const Version* found = nullptr;
  if (version == "now") {
    if (!log.versions().empty()) found = &log.versions().back();
  } else if (const auto number = text::number<std::uint64_t>(version)) {
    found = log.find(*number);
  }
  if (found == nullptr) return fail(unknown_version(version));
  source.kind = Source::Kind::document;
  source.history_id = found->history_id;
  source.heads = found->heads;
  return source;
}

Result<History::Source> History::previous(const std::string& version) const {
  const auto number = text::number<std::uint64_t>(version);
  const auto& versions = session_.prepared().history->versions();
  const auto at = std::find_if(versions.begin(), versions.end(),
                               [&](const Version& one) { return number && one.number == *number; });
  if (at == versions.end()) return fail(unknown_version(version));
  if (at == versions.begin()) return Source{};
  return find(std::to_string((at - 1)->number));
}

void History::ask(HistoryQuery query, Reply<CommandReply> reply) {
  session_.editing().when_built([this, query = std::move(query), reply = std::move(reply)](Status status) mutable {
    if (!status) return reply(fail(status.error()));
    if (!query.cell_id.empty()) return blame(query, std::move(reply));
    if (!query.version.empty()) return show(query, std::move(reply));
    list(query, std::move(reply));
  });
}

void History::later(UniqueFunction<Result<std::string>(document::HistoryReader&)> make, Reply<CommandReply> reply) {
  if (waiting_.size() >= most_waiting) return reply(fail(too_busy()));
  submit([make = std::move(make), reply = std::move(reply)](document::HistoryReader& reader) mutable -> Task {
    return [made = make(reader), reply = std::move(reply)]() mutable {
      if (!made) return reply(fail(std::move(made).error()));
      reply(CommandReply{200, std::move(*made)});
    };
  });
}

void History::list(const HistoryQuery& query, Reply<CommandReply> reply) {
  const auto& versions = session_.prepared().history->versions();
  std::string rows;
  std::uint64_t last = 0;
  std::size_t told = 0;
  bool more = false;
  const auto most = std::clamp<std::size_t>(query.limit, 1, most_rows);
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (query.before && version->number >= *query.before) continue;
    more = told == most;
    if (more) break;
    rows += (told++ == 0 ? "" : ",") + version_json(*version);
    last = version->number;
  }
  std::string out = "{\"versions\":[" + rows + "]";
  if (more) out += ",\"next_before\":\"" + std::to_string(last) + "\"";
  if (query.before) return reply(CommandReply{200, out + "}"});
  session_.services().workers->submit([out = std::move(out), dir = session_.prepared().notebook.state_dir,
                                       reply = std::move(reply), token = session_.at_work(),
                                       &loop = session_.loop()]() mutable {
    out += ",\"kept\":" + kept_json(kept_copies(dir)) + "}";
    loop.post([out = std::move(out), reply = std::move(reply)]() mutable { reply(CommandReply{200, std::move(out)}); });
  });
  get_ready();
}

// Who asks for the list is about to look at a version: the copy is made meanwhile.
void History::get_ready() {
  if (busy_ || !waiting_.empty() || session_.editing().document().operations() > most_made_unasked) return;
  submit([](document::HistoryReader& reader) -> Task {
    reader.get_ready();
    return [] {};
  });
}

void History::show(const HistoryQuery& query, Reply<CommandReply> reply) {
  auto shown = find(query.version);
  if (!shown) return reply(fail(shown.error()));
  const auto* logged = text::number<std::uint64_t>(query.version)
                           ? session_.prepared().history->find(*text::number<std::uint64_t>(query.version))
                           : nullptr;
  std::string head = "{\"version\":";
  json::write_string(query.version, head);
  if (logged != nullptr) head += ",\"about\":" + version_json(*logged);
  if (query.against.empty()) {
    return later(
        [head = std::move(head), shown = std::move(*shown)](document::HistoryReader& reader) -> Result<std::string> {
          LECTERN_TRY(const auto cells, shown.cells(reader));
          return head + "," + cells_json(cells) + "}";
        },
        std::move(reply));
  }
  auto other = query.against == "previous" ? previous(query.version) : find(query.against);
  if (!other) return reply(fail(other.error()));
  head += ",\"against\":";
  json::write_string(query.against, head);
  // What a version did is told forward: from the one before to it.
  if (query.against == "previous") std::swap(*shown, *other);
  later(
      [head = std::move(head), from = std::move(*shown),
       to = std::move(*other)](document::HistoryReader& reader) -> Result<std::string> {
        LECTERN_TRY(const auto before, from.cells(reader));
        LECTERN_TRY(const auto after, to.cells(reader));
        return head + "," + differences_json(before, after) + "}";
      },
      std::move(reply));
}

void History::blame(const HistoryQuery& query, Reply<CommandReply> reply) {
  std::vector<Version> versions;
  for (const auto& version : session_.prepared().history->versions()) {
    if (version.history_id == session_.prepared().notebook.history_id) versions.push_back(version);
  }
  later(
      [versions = std::move(versions),
       cell_id = query.cell_id](document::HistoryReader& reader) -> Result<std::string> {
        std::vector<std::vector<document::ChangeHash>> groups;
        groups.reserve(versions.size());
        for (const auto& version : versions) groups.push_back(version.heads);
        LECTERN_TRY(const auto lines, reader.blame(cell_id, groups));
        return blame_json(cell_id, lines, versions);
      },
      std::move(reply));
}

void History::restore(Invocation invocation) {
  auto version = invocation.text("version");
  auto source = version == "now" ? Result<Source>(fail(unknown_version(version))) : find(version);
  if (!source) return invocation.error(source.error());
  if (waiting_.size() >= most_waiting) return invocation.error(too_busy());
  submit([weak = session_.weak_from_this(), source = std::move(*source), version = std::move(version),
          invocation = std::move(invocation)](document::HistoryReader& reader) mutable -> Task {
    return [weak, version = std::move(version), invocation = std::move(invocation),
            target = source.cells(reader)]() mutable {
      const auto session = weak.lock();
      if (!session || session->ended()) {
        return invocation.error(404, "session_not_found", "the session has ended", "open the notebook again");
      }
      if (!target) return invocation.error(std::move(target).error());
      // A long edit of somebody else may be under way.
      session->editing().when_built([session, invocation = std::move(invocation), version = std::move(version),
                                     target = std::move(*target)](Status status) mutable {
        if (!status) return invocation.error(status.error());
        session->history().restore_to(std::move(invocation), std::move(version), target);
      });
    };
  });
}

void History::restore_to(Invocation invocation, std::string version, const std::vector<Cell>& target) {
  // The pen may be somebody else's by now.
  const auto* member = session_.room().find(invocation.member);
  if (member == nullptr || member->grant == 0 || invocation.epoch != member->grant) {
    return invocation.error(stale_epoch(
        session_.room(), "epoch " + std::to_string(invocation.epoch.value_or(0)) + " is no longer the sender's"));
  }
  const auto cell_id = invocation.text("cell_id");
  const auto& now = session_.editing().document().cells();
  auto changes = cell_id.empty() ? Result<std::vector<document::Change>>(document::changes_toward(now, target))
                                 : document::changes_toward_cell(now, target, cell_id);
  if (!changes) return invocation.error(changes.error());
  session_.editing().restore(std::move(invocation), *changes, {std::move(version), cell_id});
}

}  // namespace lectern::session
