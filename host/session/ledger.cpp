#include "session/ledger.hpp"

#include <charconv>
#include <utility>
#include <vector>

#include "base/log.hpp"

namespace lectern::session {
namespace {

constexpr std::string_view journal_name = "people";
constexpr std::string_view client_prefix = "client:";
constexpr std::string_view epochs_key = "epochs";
constexpr std::string_view policy_key = "policy";
constexpr std::string_view left_key = "left";
// Further than any run can get, far from the end of 2^53, which is where JavaScript stops counting.
constexpr std::uint64_t jump_after_damage = 1ull << 32;
// A session that lives for months writes who comes and what its policy remembers again and again.
constexpr std::uint64_t rewrite_after = 4u << 20;

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

LedgerState read(const document::Recovered& recovered) {
  LedgerState state;
  for (const auto& [key, value] : recovered.meta) {
    if (key.starts_with(client_prefix)) {
      state.clients[key.substr(client_prefix.size())] = value;
    } else if (key == epochs_key) {
      state.epochs = number(value);
    } else if (key == policy_key) {
      state.policy = value;
    } else if (key == left_key) {
      state.left = !value.empty();
    }
  }
  return state;
}

}  // namespace

Result<Ledger::Opened> Ledger::open(document::JournalWriter& writer, const std::string& dir, std::uint64_t block) {
  auto recovered = document::Journal::recover(dir, journal_name);
  Opened opened;
  // What the disk would not read just now is whole: it must not be begun anew over it.
  if (!recovered && recovered.error().code != "journal_corrupt") return fail(recovered.error());
  if (!recovered) {
    log::error("session", "the ledger in " + dir + " is unreadable (" + recovered.error().message +
                              "); its clients have to be taken anew");
    opened.state.epochs = jump_after_damage;
  } else if (*recovered) {
    opened.state = read(**recovered);
  }
  const auto* past = recovered && *recovered ? &**recovered : nullptr;
  LECTERN_TRY(auto journal, document::Journal::open(writer, dir, past, journal_name));
  opened.reserved = opened.state.epochs + block;
  std::vector<document::Record> records;
  records.push_back(document::Record::meta(std::string(epochs_key), std::to_string(opened.reserved)));
  records.push_back(document::Record::meta(std::string(left_key), {}));
  // A rewrite at every open keeps the file as small as what it says.
  LECTERN_CHECK(journal->rewrite_and_wait("", "", std::move(records)));
  opened.ledger = std::unique_ptr<Ledger>(new Ledger(std::move(journal)));
  return opened;
}

Ledger::Opened Ledger::only_read(document::JournalWriter& writer, const std::string& dir, std::uint64_t block) {
  const auto found = document::Journal::peek(dir, journal_name);
  const auto* past = found && *found ? &**found : nullptr;
  Opened opened;
  if (past != nullptr) opened.state = read(*past);
  opened.reserved = opened.state.epochs + block;
  opened.ledger = std::unique_ptr<Ledger>(new Ledger(document::Journal::in_memory(writer, past)));
  return opened;
}

namespace {

// After a failure the file is given up and everything is in memory: a new file is tried at once, which helps when it
// was this file that failed, and with every later write, which helps when the disk was full.
void put(const std::shared_ptr<document::Journal>& journal, std::vector<document::Record> records,
         document::JournalDone done) {
  if (journal->failed()) return journal->rewrite("", "", std::move(records), std::move(done));
  journal->append(std::move(records), [journal, done = std::move(done)](Status status) mutable {
    if (status) return done({});
    journal->rewrite("", "", {}, std::move(done));
  });
  if (journal->bytes_since_rewrite() > rewrite_after) {
    journal->rewrite("", "", {}, [](Status status) {  // where it fails the old file goes on
      if (!status) log::warning("session", "a ledger could not be compacted: " + status.error().message);
    });
  }
}

}  // namespace

void Ledger::write(std::string_view key, std::string value, document::JournalDone done) {
  std::vector<document::Record> records;
  records.push_back(document::Record::meta(std::string(key), std::move(value)));
  put(journal_, std::move(records), [done = std::move(done)](Status status) mutable {
    if (!status) log::warning("session", "the ledger could not be written: " + status.error().message);
    if (done) done(std::move(status));
  });
}

void Ledger::client(const Client& client, document::JournalDone done) {
  write(std::string(client_prefix) + client.id, Clients::to_json(client), std::move(done));
}
void Ledger::forget(std::string_view client_id) {
  write(std::string(client_prefix) + std::string(client_id), "");
}
void Ledger::policy(std::string json) {
  write(policy_key, std::move(json));
}

void Ledger::left() {
  write(left_key, "1");
}

void Ledger::recover() {
  if (!journal_->failed()) return;
  journal_->rewrite("", "", {}, [](Status status) {
    if (!status) log::warning("session", "the ledger could not be written: " + status.error().message);
  });
}

void Ledger::reserve_epochs(std::uint64_t upto, Loop& loop, UniqueFunction<void(Status)> done) {
  std::vector<document::Record> records;
  records.push_back(document::Record::meta(std::string(epochs_key), std::to_string(upto)));
  put(journal_, std::move(records), [&loop, done = std::move(done)](Status status) mutable {
    loop.post([done = std::move(done), status = std::move(status)]() mutable { done(std::move(status)); });
  });
}

}  // namespace lectern::session
