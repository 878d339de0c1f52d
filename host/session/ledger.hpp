// What a restarted host must still know of a session's people: clients and their actors, the end of the epoch block,
// the policy's state. Its own journal, beside the document's, because it must be usable before the document is built.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "document/journal.hpp"
#include "session/clients.hpp"

namespace lectern::session {

/// What the ledger of an earlier run said.
struct LedgerState {
  std::map<std::string, std::string> clients;  // id -> JSON of Clients::to_json
  std::uint64_t epochs = 0;                    // the end of the block reserved last: nothing above it was ever given
  std::string policy;                          // JSON {id, schema, state}
  bool left = false;                           // its last session ended with nobody in it: nobody is behind
};

class Ledger {
 public:
  struct Opened {
    std::unique_ptr<Ledger> ledger;
    LedgerState state;
    std::uint64_t reserved = 0;  // epochs up to here may be given out: on disk already
  };
  /// [worker] Opens the ledger in `dir`, or begins one, and reserves the first `block` of epochs. A damaged ledger is
  /// kept aside and named in the log; the epochs then go on above a jump that no earlier run can have reached. 500
  /// `journal_unreadable`: the operating system refused.
  static Result<Opened> open(document::JournalWriter& writer, const std::string& dir, std::uint64_t block);

  /// [worker] The same for a notebook that is only read, because the disk takes nothing: what the ledger says, and
  /// nothing is written.
  static Opened only_read(document::JournalWriter& writer, const std::string& dir, std::uint64_t block);

  /// [reactor] On its way to the disk at once. `done` runs on the journal thread (see document/journal.hpp). What
  /// cannot be written is written with whatever comes next, or by recover().
  void client(const Client& client, document::JournalDone done = {});
  void forget(std::string_view client_id);
  void policy(std::string json);
  /// [reactor] The session ends, and everybody had left it before.
  void left();
  /// [reactor] Writes what an earlier failure kept from the disk, when there was one.
  void recover();
  /// [reactor] `done` is posted to `loop` after the fsync.
  void reserve_epochs(std::uint64_t upto, Loop& loop, UniqueFunction<void(Status)> done);

 private:
  explicit Ledger(std::shared_ptr<document::Journal> journal) : journal_(std::move(journal)) {}
  void write(std::string_view key, std::string value, document::JournalDone done = {});
  std::shared_ptr<document::Journal> journal_;
};

}  // namespace lectern::session
