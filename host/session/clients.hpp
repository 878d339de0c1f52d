// Who the host knows: tabs, programs and devices by id and secret, over reconnects and restarts. Being known is not
// being in the room: that is a Member.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/history_version.hpp"
#include "session/client_book.hpp"
#include "session/idempotency.hpp"
#include "session/session.hpp"

namespace lectern::session {

/// An epoch that was this client's and is no longer.
struct PastGrant {
  std::uint64_t epoch = 0;
  std::int64_t revoked_ms = 0;
  bool flushed = false;
};

struct Client {
  std::uint64_t number = 0;  // in the room and for policies
  std::string id;
  std::string secret_hash;  // sha256 of the secret, raw: a stolen journal opens nothing
  std::string label, kind, principal;
  bool view_only = false;
  std::vector<std::string> actors;   // hex, issued to it; the last one is current
  std::uint64_t incarnation = 0;     // of its connections; only grows
  std::uint64_t connection = 0;      // the live one; 0 = none
  std::deque<PastGrant> past;        // the newest last
  bool held = false;                 // a grant, in this run of the host
  bool held_before_restart = false;  // epochs it held in an earlier run of the host are stale, not unknown
  Idempotency replies;
  std::int64_t seen_wall_ms = 0;

  [[nodiscard]] PastGrant* past_grant(std::uint64_t epoch);
  /// The actor of what the host itself edits on behalf of this client: its own documents never use it.
  [[nodiscard]] std::string host_actor() const;
};

/// The clients of one session. [reactor] for every function.
class Clients {
 public:
  /// `book` may be null; ours are in it as long as this lives.
  explicit Clients(std::shared_ptr<ClientBook> book = nullptr) : book_(std::move(book)) {}
  ~Clients();
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  struct Issued {
    Client* client = nullptr;
    std::string secret;
  };
  /// A new client with a new secret.
  Issued issue(std::string label, std::string kind, std::string principal, bool view_only);
  /// By "id.secret". 400 `client_required` when empty, 400 `not_a_member` when it is a client of another session, 401
  /// `client_unknown` else.
  Result<Client*> authenticate(std::string_view key);
  /// [any] 401 `client_unknown`.
  static Error unknown();
  /// Null when there is none.
  Client* find(std::string_view id);
  Client* by_number(std::uint64_t number);
  /// Issues a new actor.
  static const std::string& new_actor(Client& client);
  /// Remembers that `epoch` is no longer the client's.
  static void remember_grant(Client& client, std::uint64_t epoch, std::int64_t now_ms);
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }

  /// JSON for the journal; `load` takes it back at the next start.
  static std::string to_json(const Client& client);
  /// [any] Of such JSON, whom the history names; client_id empty when it is none.
  static document::Author author_from_json(std::string_view id, std::string_view text);
  /// Clients not seen for `keep_days`, and the oldest past `most`, are dropped; their ids are returned.
  std::vector<std::string> load(const std::map<std::string, std::string>& stored, int keep_days, std::size_t most);

 private:
  std::shared_ptr<ClientBook> book_;
  std::map<std::string, std::unique_ptr<Client>, std::less<>> by_id_;
  std::map<std::uint64_t, Client*> by_number_;
  std::uint64_t next_number_ = 1;
};

}  // namespace lectern::session
