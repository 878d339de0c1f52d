#include "api/tokens.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <memory>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "document/atomic_file.hpp"

namespace lectern::api {
namespace {

constexpr std::string_view prefix = "lt_";
constexpr std::size_t longest_name = 80;
constexpr std::array<std::string_view, 4> host_wide = {"/health", "/api/v1/info", "/api/v1/openapi.json",
                                                       "/api/v1/asyncapi.json"};
// Answered for the token's own session alone by their handlers.
constexpr std::array<std::string_view, 4> narrowed = {"/api/v1/sessions", "/api/v1/notebooks/open", "/blobs/{sha256}",
                                                      "/{path*}"};

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// "lt_<id>_<secret>": the id part.
std::string_view id_of(std::string_view text) {
  if (!text.starts_with(prefix)) return {};
  text.remove_prefix(prefix.size());
  return text.substr(0, text.find('.'));
}

Result<TokenRecord> record_of(const json::Value& value) {
  const json::Fields fields(value, "token");
  TokenRecord out;
  LECTERN_TRY(out.id, fields.string("id"));
  LECTERN_TRY(out.digest, fields.string("digest"));
  LECTERN_TRY(const auto scope, fields.string("scope"));
  LECTERN_TRY(out.name, fields.string("name"));
  LECTERN_TRY(out.session, fields.string("session"));
  LECTERN_TRY(const auto created, fields.unsigned_integer("created_ms"));
  LECTERN_TRY(const auto expires, fields.unsigned_integer("expires_ms"));
  const auto known = scope_of_name(scope);
  if (!known) return fail(400, "bad_token", "token.scope is \"" + scope + "\"");
  out.scope = *known;
  out.created_ms = static_cast<std::int64_t>(created);
  out.expires_ms = static_cast<std::int64_t>(expires);
  return out;
}

}  // namespace

json::Value TokenRecord::to_json() const {
  json::Value out;
  out.set("id", id);
  out.set("scope", scope_name(scope));
  out.set("principal", principal());
  if (!name.empty()) out.set("name", name);
  if (!session.empty()) out.set("session_id", session);
  out.set("created_at", clock::rfc3339(created_ms));
  if (expires_ms != 0) out.set("expires_at", clock::rfc3339(expires_ms));
  return out;
}

Tokens::Tokens(std::string path) : path_(std::move(path)), cookie_key_(crypto::random_bytes(32)) {}

Result<std::unique_ptr<Tokens>> Tokens::open(std::string path) {
  std::unique_ptr<Tokens> out(new Tokens(std::move(path)));
  const std::scoped_lock writing(out->writing_);
  LECTERN_TRY(out->records_, out->read());
  if (const auto locked = out->lock(); !locked && locked.error().code != "tokens_locked") {
    log::warning("api", locked.error().message + "; tokens can neither be made nor revoked");
  }
  return out;
}

std::string Tokens::file_for(const std::string& state_dir, std::string_view root) {
  return state_dir + "/tokens-" + crypto::sha256_hex(root).substr(0, 16) + ".json";
}

// Under writing_. What the file says now is what counts once it is ours: another host may have written it meanwhile.
Status Tokens::lock() {
  if (locked_) return {};
  const auto name = path_ + ".lock";  // the file itself is replaced with each change
  document::Descriptor fd(::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail(document::system_error(errno, "lock", name));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail(document::system_error(errno, "lock", name));
    return fail(409, "tokens_locked", "another host of the same folder keeps its tokens (" + name + " is locked)",
                "make and revoke tokens there, or end that host");
  }
  LECTERN_TRY(auto records, read());
  lock_file_ = std::move(fd);
  const std::scoped_lock lock(mutex_);
  records_ = std::move(records);
  locked_ = true;
  return {};
}

// A host that does not write the tokens follows the one that does.
void Tokens::look_again() const {
  if (locked_) return;
  auto records = read();
  const std::scoped_lock lock(mutex_);
  if (!locked_) records_ = records ? std::move(*records) : Records();
}

Tokens::Records Tokens::copy() const {
  const std::scoped_lock lock(mutex_);
  return records_;
}

Result<Tokens::Records> Tokens::read() const {
  Records out;
  std::ifstream file(path_, std::ios::binary);
  if (!file) return out;
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto bad = [&](const std::string& why) {
    return fail(500, "bad_tokens", "the tokens in " + path_ + " cannot be read: " + why,
                "remove the file; every token that was handed out is then void");
  };
  const auto parsed = json::parse(bytes);
  if (!parsed) return bad(parsed.error().message);
  const auto list = json::Fields(*parsed, "tokens").array("tokens");
  if (!list) return bad(list.error().message);
  for (const auto& one : **list) {
    auto record = record_of(one);
    if (!record) return bad(record.error().message);
    out[record->id] = std::move(*record);
  }
  return out;
}

Status Tokens::save(const Records& records) const {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("tokens").begin_array();
  for (const auto& [id, record] : records) {
    writer.begin_object()
        .member("id", id)
        .member("digest", record.digest)
        .member("scope", scope_name(record.scope))
        .member("name", record.name)
        .member("session", record.session)
        .member("created_ms", record.created_ms)
        .member("expires_ms", record.expires_ms)
        .end_object();
  }
  writer.end_array().end_object();
  auto saved = document::replace_file(path_, out, 0600);
  if (!saved) return fail(saved.error());
  return {};
}

Result<Tokens::Minted> Tokens::mint(const NewToken& wanted, std::int64_t now_ms) {
  if (wanted.name != text::label(wanted.name, longest_name) || wanted.name == "owner" ||
      wanted.name.starts_with("token:") || wanted.name.starts_with("device:")) {
    return fail(400, "bad_token", "a token cannot have the name \"" + text::label(wanted.name, longest_name) + "\"",
                "a name is a label of at most 80 characters, not \"owner\", \"token:...\" or \"device:...\"");
  }
  const std::scoped_lock writing(writing_);
  LECTERN_CHECK(lock());
  auto records = copy();
  if (records.size() >= most) {
    return fail(429, "too_many_tokens", "this host has " + std::to_string(records.size()) + " tokens",
                "revoke some; `lectern token ls` lists them");
  }
  for (const auto& [id, record] : records) {
    // A name is whom a policy trusts: two tokens of one name could not be told apart, or revoked apart.
    if (!wanted.name.empty() && record.name == wanted.name) {
      return fail(409, "name_taken", "there is a token with the name \"" + wanted.name + "\"",
                  "revoke " + id + " first, or choose another name");
    }
  }
  Minted out;
  out.record.id = text::to_hex(crypto::random_bytes(6));
  out.record.name = wanted.name;
  out.record.session = wanted.session;
  out.record.scope = wanted.scope;
  out.record.created_ms = now_ms;
  if (wanted.life_ms > 0) out.record.expires_ms = now_ms + wanted.life_ms;
  out.text = std::string(prefix) + out.record.id + "." + crypto::random_token(32);
  out.record.digest = crypto::sha256_hex(out.text);
  records[out.record.id] = out.record;
  LECTERN_CHECK(save(records));
  const std::scoped_lock lock(mutex_);
  records_ = std::move(records);
  return out;
}

Result<TokenRecord> Tokens::revoke(std::string_view id) {
  const std::scoped_lock writing(writing_);
  LECTERN_CHECK(lock());
  TokenRecord gone;
  {
    // Void at once, whatever the disk says: a revocation that waits is none.
    const std::scoped_lock lock(mutex_);
    const auto found = records_.find(id);
    if (found == records_.end()) {
      return fail(404, "token_not_found", "there is no token '" + text::label(id, 40) + "'",
                  "GET /api/v1/tokens lists them");
    }
    gone = found->second;
    records_.erase(found);
  }
  LECTERN_CHECK(save(copy()));
  return gone;
}

std::vector<TokenRecord> Tokens::expire(std::int64_t now_ms) {
  const std::scoped_lock writing(writing_);
  std::vector<TokenRecord> gone;
  {
    const std::scoped_lock lock(mutex_);
    for (auto it = records_.begin(); it != records_.end();) {
      if (it->second.expires_ms == 0 || it->second.expires_ms > now_ms) {
        ++it;
        continue;
      }
      gone.push_back(std::move(it->second));
      it = records_.erase(it);
    }
  }
  if (gone.empty() || !locked_) return gone;
  // One that stays in the file is expired there too.
  if (const auto saved = save(copy()); !saved) log::warning("api", saved.error().message);
  return gone;
}

std::vector<TokenRecord> Tokens::list() const {
  const std::scoped_lock lock(mutex_);
  std::vector<TokenRecord> out;
  out.reserve(records_.size());
  for (const auto& [id, record] : records_) out.push_back(record);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.created_ms < b.created_ms; });
  return out;
}

std::int64_t Tokens::next_expiry_ms() const {
  const std::scoped_lock lock(mutex_);
  std::int64_t next = 0;
  for (const auto& [id, record] : records_) {
    if (record.expires_ms != 0 && (next == 0 || record.expires_ms < next)) next = record.expires_ms;
  }
  return next;
}

const TokenRecord* Tokens::living(std::string_view id, std::int64_t now_ms) const {
  const auto found = records_.find(id);
  if (found == records_.end()) return nullptr;
  const auto& record = found->second;
  return record.expires_ms != 0 && record.expires_ms <= now_ms ? nullptr : &record;
}

std::optional<Access> Tokens::find(std::string_view text, std::int64_t now_ms) const {
  const auto id = id_of(text);
  if (id.empty()) return {};
  const auto digest = crypto::sha256_hex(text);
  look_again();
  const std::scoped_lock lock(mutex_);
  const auto* record = living(id, now_ms);
  if (record == nullptr || !crypto::equal(record->digest, digest)) return {};
  return record->access();
}

std::string Tokens::cookie_for(std::string_view text) const {
  const std::scoped_lock lock(mutex_);
  const auto found = records_.find(id_of(text));
  return found == records_.end() ? std::string() : cookie_of(found->second);
}

std::string Tokens::cookie_of(const TokenRecord& record) const {
  return record.id + "." + text::to_hex(crypto::hmac_sha256(cookie_key_, record.digest + " lectern cookie 1"));
}

bool Tokens::lives(std::string_view principal, std::int64_t now_ms) const {
  if (principal == Access{}.principal) return true;
  const std::scoped_lock lock(mutex_);
  return std::any_of(records_.begin(), records_.end(), [&](const auto& entry) {
    return entry.second.principal() == principal && living(entry.first, now_ms) != nullptr;
  });
}

bool looks_like_token(std::string_view text) {
  return text.starts_with(prefix);
}

bool looks_like_token_cookie(std::string_view value) {
  const auto dot = value.find('.');
  return dot != std::string_view::npos && is_hex(value.substr(0, dot)) && is_hex(value.substr(dot + 1));
}

std::optional<Access> Tokens::find_cookie(std::string_view value, std::int64_t now_ms) const {
  look_again();
  const std::scoped_lock lock(mutex_);
  const auto* record = living(value.substr(0, value.find('.')), now_ms);
  if (record == nullptr || !crypto::equal(cookie_of(*record), value)) return {};
  return record->access();
}

std::optional<Scope> scope_of_name(std::string_view name) {
  for (const auto scope : {Scope::view, Scope::interact, Scope::edit, Scope::admin}) {
    if (scope_name(scope) == name) return scope;
  }
  return {};
}

bool open_to_session_tokens(std::string_view pattern) {
  return std::find(host_wide.begin(), host_wide.end(), pattern) != host_wide.end() ||
         std::find(narrowed.begin(), narrowed.end(), pattern) != narrowed.end();
}

Status check_access(const Access& access, Scope needed, const Route& route, const std::vector<std::string>& arguments) {
  if (access.scope < needed) {
    return fail(403, "scope",
                std::string(route.method) + " " + std::string(route.pattern) + " needs the scope " +
                    std::string(scope_name(needed)) + "; this token's is " + std::string(scope_name(access.scope)),
                "ask whoever handed out the token for one with a larger scope");
  }
  if (access.session.empty() || open_to_session_tokens(route.pattern)) return {};
  const auto names = pattern_names(route.pattern);
  for (std::size_t i = 0; i < names.size() && i < arguments.size(); ++i) {
    if (names[i] == "session_id" && arguments[i] == access.session) return {};
  }
  return fail(403, "other_session", "this token is for the session " + access.session + " only",
              "ask whoever handed out the token for another");
}

}  // namespace lectern::api
