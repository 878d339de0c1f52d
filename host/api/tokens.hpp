// Scoped tokens: what is handed to people and programs that shall do no more than their scope (protocol 1). A token is
// a random text; only its digest is stored, in a file of the state folder that its owner alone can read.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/routes.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "document/system_file.hpp"

namespace lectern::api {

/// What the credentials of a request allow.
struct Access {
  Scope scope = Scope::admin;
  std::string principal = "owner";  // whom policies, clients and revocations know it as
  std::string session;              // not empty: this session only
  std::string device;               // of a paired device: its name, as pairing proved it
};

struct TokenRecord {
  std::string id, name, session, digest;  // digest: sha256 of the text, hex
  Scope scope = Scope::view;
  std::int64_t created_ms = 0, expires_ms = 0;  // wall clock; 0 = never

  [[nodiscard]] std::string principal() const { return name.empty() ? "token:" + id : name; }
  [[nodiscard]] Access access() const { return {scope, principal(), session, {}}; }
  /// Without the digest.
  [[nodiscard]] json::Value to_json() const;
};

struct NewToken {
  Scope scope = Scope::view;
  std::string name, session;
  std::int64_t life_ms = 0;  // 0 = until it is revoked
};

class Tokens {
 public:
  static constexpr std::size_t most = 10'000;

  /// [control] Reads `path`, which need not exist. A damaged file is an error that names it: nobody is let in by guess.
  /// One process writes a file: whoever holds the lock beside it, for its life.
  static Result<std::unique_ptr<Tokens>> open(std::string path);
  /// [any] The file in `state_dir` that has the tokens of the host of the folder `root` (canonical): a token opens what
  /// it was made for, not what its maker serves elsewhere.
  static std::string file_for(const std::string& state_dir, std::string_view root);

  struct Minted {
    TokenRecord record;
    std::string text;  // shown once, never stored
  };
  /// [worker] 400 `bad_token` (a name that is no label, or the owner's), 409 `name_taken`, 409 `tokens_locked` (another
  /// host of the folder writes them), 429 `too_many_tokens`.
  Result<Minted> mint(const NewToken& wanted, std::int64_t now_ms);
  /// [worker] Takes it out and returns it; 404 `token_not_found`, 409 `tokens_locked`. From here on it opens nothing,
  /// also when the file could not be written, which is the error then.
  Result<TokenRecord> revoke(std::string_view id);
  /// [worker] Takes out those that have expired, whatever the disk says.
  std::vector<TokenRecord> expire(std::int64_t now_ms);
  /// [any] The oldest first.
  [[nodiscard]] std::vector<TokenRecord> list() const;
  /// [any] When the next one expires; 0 = none does.
  [[nodiscard]] std::int64_t next_expiry_ms() const;

  /// [any] Whether a token of this principal still opens something; the owner's always does. For what was let in and
  /// has yet to happen.
  [[nodiscard]] bool lives(std::string_view principal, std::int64_t now_ms) const;

  /// [any] What `text` allows; empty when it is no token of this host's, was revoked or has expired.
  [[nodiscard]] std::optional<Access> find(std::string_view text, std::int64_t now_ms) const;
  /// [any] The cookie that stands for the token, derived, so that a leaked one does not disclose it; and what it
  /// allows. Cookies end with this process: what is stored makes none.
  [[nodiscard]] std::string cookie_for(std::string_view text) const;
  [[nodiscard]] std::optional<Access> find_cookie(std::string_view value, std::int64_t now_ms) const;

 private:
  using Records = std::map<std::string, TokenRecord, std::less<>>;  // by id
  explicit Tokens(std::string path);
  [[nodiscard]] Result<Records> read() const;
  [[nodiscard]] Records copy() const;
  Status save(const Records& records) const;
  Status lock();
  void look_again() const;
  [[nodiscard]] const TokenRecord* living(std::string_view id, std::int64_t now_ms) const;
  [[nodiscard]] std::string cookie_of(const TokenRecord& record) const;

  std::string path_, cookie_key_;
  std::mutex writing_;               // held while the file is written; readers do not wait for a disk
  document::Descriptor lock_file_;   // of writing_; open = locked
  std::atomic<bool> locked_{false};  // lock_file_ is, for those who do not write
  mutable std::mutex mutex_;         // of records_
  mutable Records records_;
};

/// [any] True for a text of the form of a scoped token, or of the cookie of one, whether or not it is good.
bool looks_like_token(std::string_view text);
bool looks_like_token_cookie(std::string_view value);

/// [any] The scope of that name; empty for "none" and what is none.
std::optional<Scope> scope_of_name(std::string_view name);
/// [any] True for a route that a token of one session may use although it names no session.
bool open_to_session_tokens(std::string_view pattern);
/// [any] 403 `scope` or `other_session` when `access` does not reach the route; `arguments` as matched.
Status check_access(const Access& access, Scope needed, const Route& route, const std::vector<std::string>& arguments);

}  // namespace lectern::api
