// Scoped tokens: what is handed to people and programs that shall do no more than their scope (protocol 1). A token is
// a random text; only its digest is stored, in a file of the state folder that its owner alone can read.
#pragma once

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

namespace lectern::api {

/// What the credentials of a request allow.
struct Access {
  Scope scope = Scope::admin;
  std::string principal = "owner";  // whom policies, clients and revocations know it as
  std::string session;              // not empty: this session only
};

struct TokenRecord {
  std::string id, name, session, digest;  // digest: sha256 of the text, hex
  Scope scope = Scope::view;
  std::int64_t created_ms = 0, expires_ms = 0;  // wall clock; 0 = never

  [[nodiscard]] std::string principal() const { return name.empty() ? "token:" + id : name; }
  [[nodiscard]] Access access() const { return {scope, principal(), session}; }
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
  static Result<std::unique_ptr<Tokens>> open(std::string path);

  struct Minted {
    TokenRecord record;
    std::string text;  // shown once, never stored
  };
  /// [worker] 400 `bad_token` (a name that is no label, or the owner's), 409 `name_taken`, 429 `too_many_tokens`.
  Result<Minted> mint(const NewToken& wanted, std::int64_t now_ms);
  /// [worker] Takes it out and returns it; 404 `token_not_found`. From here on it opens nothing.
  Result<TokenRecord> revoke(std::string_view id);
  /// [worker] Takes out those that have expired.
  std::vector<TokenRecord> expire(std::int64_t now_ms);
  /// [any] The oldest first.
  [[nodiscard]] std::vector<TokenRecord> list() const;
  /// [any] When the next one expires; 0 = none does.
  [[nodiscard]] std::int64_t next_expiry_ms() const;

  /// [any] What `text` allows; empty when it is no token of this host's, was revoked or has expired.
  [[nodiscard]] std::optional<Access> find(std::string_view text, std::int64_t now_ms) const;
  /// [any] The cookie that stands for the token, derived, so that a leaked one does not disclose it; and what it
  /// allows.
  [[nodiscard]] std::string cookie_for(std::string_view text) const;
  [[nodiscard]] std::optional<Access> find_cookie(std::string_view value, std::int64_t now_ms) const;

 private:
  explicit Tokens(std::string path) : path_(std::move(path)) {}
  Status save(const std::map<std::string, TokenRecord, std::less<>>& records) const;
  [[nodiscard]] const TokenRecord* living(std::string_view id, std::int64_t now_ms) const;

  std::string path_;
  std::mutex writing_;        // held while the file is written; readers do not wait for a disk
  mutable std::mutex mutex_;  // of records_
  std::map<std::string, TokenRecord, std::less<>> records_;  // by id
};

/// [any] The scope of that name; empty for "none" and what is none.
std::optional<Scope> scope_of_name(std::string_view name);
/// [any] True for a route that a token of one session may use although it names no session.
bool open_to_session_tokens(std::string_view pattern);
/// [any] 403 `scope` or `other_session` when `access` does not reach the route; `arguments` as matched.
Status check_access(const Access& access, Scope needed, const Route& route, const std::vector<std::string>& arguments);

}  // namespace lectern::api
