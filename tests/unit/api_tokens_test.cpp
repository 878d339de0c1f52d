// Scoped tokens: the store, and every route against every scope.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/router.hpp"
#include "api/tokens.hpp"
#include "base/crypto.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

namespace fs = std::filesystem;

class TokensTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "lectern-tokens-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    tokens_ = reopened();
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::unique_ptr<Tokens> reopened() {
    auto opened = Tokens::open(file());
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  std::string file() const { return (folder_ / "tokens.json").string(); }
  Tokens::Minted mint(Scope scope, const std::string& name = "", const std::string& session = "",
                      std::int64_t life_ms = 0) {
    auto minted = tokens_->mint({scope, name, session, life_ms}, now);
    EXPECT_TRUE(minted) << minted.error().message;
    return minted ? std::move(*minted) : Tokens::Minted{};
  }
  static constexpr std::int64_t now = 1'000'000;
  fs::path folder_;
  std::unique_ptr<Tokens> tokens_;
};

TEST_F(TokensTest, OnlyTheDigestIsStoredAndOnlyTheOwnerReadsIt) {
  const auto minted = mint(Scope::edit, "ada");
  std::ifstream in(file());
  const std::string stored{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(stored.find("\"ada\""), std::string::npos);
  EXPECT_EQ(stored.find(minted.text), std::string::npos);
  EXPECT_EQ(stored.find(minted.text.substr(minted.text.find('.') + 1)), std::string::npos);
  struct stat status {};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  EXPECT_EQ(json::write(minted.record.to_json()).find(minted.record.digest), std::string::npos);
}

TEST_F(TokensTest, SurvivesARestartUntilItIsRevoked) {
  const auto minted = mint(Scope::interact, "", "s1");
  tokens_.reset();
  auto again = reopened();
  const auto access = again->find(minted.text, now);
  ASSERT_TRUE(access);
  EXPECT_EQ(access->scope, Scope::interact);
  EXPECT_EQ(access->session, "s1");
  EXPECT_EQ(access->principal, "token:" + minted.record.id);
  ASSERT_TRUE(again->revoke(minted.record.id));
  EXPECT_FALSE(again->find(minted.text, now));
  EXPECT_EQ(again->revoke(minted.record.id).error().code, "token_not_found");
  EXPECT_FALSE(reopened()->find(minted.text, now));
}

TEST_F(TokensTest, EveryOtherTextOpensNothing) {
  const auto one = mint(Scope::edit), other = mint(Scope::admin);
  const auto secret = one.text.substr(one.text.find('.'));
  for (const auto& text : {std::string(), std::string("lt_"), "lt_" + one.record.id, "lt_" + other.record.id + secret,
                           one.text + "x", one.text.substr(0, one.text.size() - 1), one.record.digest}) {
    EXPECT_FALSE(tokens_->find(text, now)) << text;
  }
  EXPECT_TRUE(tokens_->find(one.text, now));
}

TEST_F(TokensTest, ExpiresToTheMillisecond) {
  const auto minted = mint(Scope::view, "", "", 500);
  EXPECT_EQ(tokens_->next_expiry_ms(), now + 500);
  EXPECT_TRUE(tokens_->find(minted.text, now + 499));
  EXPECT_FALSE(tokens_->find(minted.text, now + 500));
  EXPECT_FALSE(tokens_->find_cookie(tokens_->cookie_for(minted.text), now + 500));
  EXPECT_TRUE(tokens_->expire(now + 499).empty());
  const auto gone = tokens_->expire(now + 500);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].id, minted.record.id);
  EXPECT_TRUE(tokens_->list().empty());
  EXPECT_EQ(tokens_->next_expiry_ms(), 0);
}

TEST_F(TokensTest, ACookieStandsForTheTokenAndDoesNotDiscloseIt) {
  const auto minted = mint(Scope::view);
  const auto cookie = tokens_->cookie_for(minted.text);
  EXPECT_EQ(minted.text.find(cookie), std::string::npos);
  EXPECT_TRUE(tokens_->find_cookie(cookie, now));
  EXPECT_FALSE(tokens_->find(cookie, now));
  EXPECT_FALSE(tokens_->find_cookie(minted.text, now));
  EXPECT_FALSE(tokens_->find_cookie(cookie + "0", now));
  ASSERT_TRUE(tokens_->revoke(minted.record.id));
  EXPECT_FALSE(tokens_->find_cookie(cookie, now));
}

TEST_F(TokensTest, CookiesEndWithTheProcessAndCannotBeMadeOfTheFile) {
  const auto minted = mint(Scope::admin);
  const auto cookie = tokens_->cookie_for(minted.text);
  const auto digest = minted.record.digest;
  const auto forged = minted.record.id + "." + text::to_hex(crypto::hmac_sha256(digest, "lectern cookie 1"));
  EXPECT_NE(cookie, forged);
  EXPECT_FALSE(tokens_->find_cookie(forged, now));
  tokens_.reset();
  const auto again = reopened();
  EXPECT_TRUE(again->find(minted.text, now));
  EXPECT_FALSE(again->find_cookie(cookie, now));
}

TEST_F(TokensTest, OneHostWritesAFileAndTheOthersFollow) {
  const auto minted = mint(Scope::edit, "ada");
  auto other = reopened();
  EXPECT_TRUE(other->find(minted.text, now));
  const auto refused = other->mint({Scope::edit, "", "", 0}, now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 409);
  EXPECT_EQ(refused.error().code, "tokens_locked");
  EXPECT_EQ(other->revoke(minted.record.id).error().code, "tokens_locked");
  EXPECT_TRUE(tokens_->find(minted.text, now));
  ASSERT_TRUE(tokens_->revoke(minted.record.id));
  EXPECT_FALSE(other->find(minted.text, now));
  // Once the first one is gone the other writes, and nothing that was revoked comes back.
  const auto later = mint(Scope::view, "bob");
  tokens_.reset();
  EXPECT_TRUE(other->mint({Scope::view, "carol", "", 0}, now));
  other.reset();
  const auto last = reopened();
  EXPECT_FALSE(last->find(minted.text, now));
  EXPECT_TRUE(last->find(later.text, now));
  EXPECT_EQ(last->list().size(), 2u);
}

TEST_F(TokensTest, AnExpiredOneEndsAlsoWhenTheDiskFails) {
  const auto minted = mint(Scope::view, "ada", "", 500);
  fs::remove_all(folder_);
  const auto gone = tokens_->expire(now + 500);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].principal(), "ada");
}

TEST_F(TokensTest, APrincipalLivesAsLongAsItsToken) {
  const auto minted = mint(Scope::view, "ada", "", 500);
  EXPECT_TRUE(tokens_->lives("owner", now));
  EXPECT_TRUE(tokens_->lives("ada", now + 499));
  EXPECT_FALSE(tokens_->lives("ada", now + 500));
  EXPECT_FALSE(tokens_->lives("bob", now));
  ASSERT_TRUE(tokens_->revoke(minted.record.id));
  EXPECT_FALSE(tokens_->lives("ada", now));
}

TEST_F(TokensTest, NoTokenDoesNotMakeAnEndedOneTheOwner) {
  GateOptions options;
  options.tokens = tokens_.get();
  Gate gate(options);
  const auto asks = [&gate](const std::string& header, const std::string& value) {
    Request head;
    head.headers = {{"Host", "localhost:8899"}, {header, value}};
    head.peer = "127.0.0.1";
    head.loopback_peer = true;
    const auto access = gate.authenticate(head);
    return access ? access->principal : std::to_string(access.error().status);
  };
  // The gate asks the wall clock; these never expire.
  const auto minted = mint(Scope::view, "ada");
  const auto cookie = "lectern-8899=" + tokens_->cookie_for(minted.text);
  EXPECT_EQ(asks("Authorization", "Bearer " + minted.text), "ada");
  EXPECT_EQ(asks("Cookie", cookie), "ada");
  ASSERT_TRUE(tokens_->revoke(minted.record.id));
  EXPECT_EQ(asks("Authorization", "Bearer " + minted.text), "401");
  EXPECT_EQ(asks("Cookie", cookie), "401");
  EXPECT_EQ(asks("Authorization", "Bearer of-a-host-before"), "owner");
  EXPECT_EQ(asks("Accept", "*/*"), "owner");
}

TEST_F(TokensTest, NamesAreUniqueAndNotTheOwners) {
  mint(Scope::view, "ada");
  EXPECT_EQ(tokens_->mint({Scope::edit, "ada", "", 0}, now).error().code, "name_taken");
  for (const auto* name : {"owner", "token:x", "a\nb"}) {
    EXPECT_EQ(tokens_->mint({Scope::edit, name, "", 0}, now).error().code, "bad_token") << name;
  }
  EXPECT_EQ(tokens_->list().size(), 1u);
}

TEST_F(TokensTest, ADamagedFileIsAnErrorThatNamesIt) {
  for (const auto* text : {"", "{", "{}", R"({"tokens":[{"id":"x"}]})", R"({"tokens":[3]})"}) {
    std::ofstream(file()) << text;
    const auto opened = Tokens::open(file());
    ASSERT_FALSE(opened) << text;
    EXPECT_NE(opened.error().message.find(file()), std::string::npos);
  }
}

/// The routes as requests, through the real router: what admit() says is the table.
class RouteScopes : public TokensTest {
 protected:
  void SetUp() override {
    TokensTest::SetUp();
    GateOptions gate;
    gate.token = "the-server-token";
    gate.failures_allowed = 1'000'000;
    gate.tokens = tokens_.get();
    Parts parts;
    parts.metrics = &metrics_;
    router_ = std::make_unique<Router>(std::move(gate), std::move(parts));
  }
  /// 200, or the status of the refusal.
  int admit(const Route& route, const std::string& token, const std::string& session = "s1") {
    Request head;
    head.method = route.method;
    head.path = path_of(route, session);
    head.headers = {{"Host", "localhost:8899"}};
    if (!token.empty()) head.headers.emplace_back("Authorization", "Bearer " + token);
    head.peer = "127.0.0.1";
    head.loopback_peer = true;
    const auto admitted = router_->admit(head);
    return admitted ? 200 : admitted.error().status;
  }
  static std::string path_of(const Route& route, const std::string& session) {
    std::string out;
    for (std::size_t i = 0; i < route.pattern.size(); ++i) {
      if (route.pattern[i] != '{') {
        out += route.pattern[i];
        continue;
      }
      const auto end = route.pattern.find('}', i);
      const auto name = route.pattern.substr(i + 1, end - i - 1);
      out += name == "session_id" ? session : name == "path*" ? "assets/x.js" : "x1";
      i = end;
    }
    return out;
  }
  Metrics metrics_;
  std::unique_ptr<Router> router_;
};

TEST_F(RouteScopes, EveryRouteTakesItsScopeAndThoseAboveAndNothingBelow) {
  const std::vector<Scope> scopes = {Scope::view, Scope::interact, Scope::edit, Scope::admin};
  std::vector<std::string> texts;
  for (const auto scope : scopes) texts.push_back(mint(scope).text);
  for (const auto& route : routes()) {
    const auto name = std::string(route.method) + " " + std::string(route.pattern);
    for (std::size_t i = 0; i < scopes.size(); ++i) {
      EXPECT_EQ(admit(route, texts[i]), scopes[i] >= route.scope ? 200 : 403) << name << " " << scope_name(scopes[i]);
    }
    EXPECT_EQ(admit(route, ""), route.scope == Scope::none ? 200 : 401) << name;
    EXPECT_EQ(admit(route, "lt_0123456789ab.nonsense"), route.scope == Scope::none ? 200 : 401) << name;
    EXPECT_EQ(admit(route, "the-server-token"), 200) << name;
  }
}

TEST_F(RouteScopes, ATokenOfOneSessionReachesNoOther) {
  const auto text = mint(Scope::edit, "", "s1").text;
  for (const auto& route : routes()) {
    if (route.scope == Scope::admin) continue;
    const auto name = std::string(route.method) + " " + std::string(route.pattern);
    const bool of_session = route.pattern.find("{session_id}") != std::string_view::npos;
    const bool open = route.scope == Scope::none || open_to_session_tokens(route.pattern);
    EXPECT_EQ(admit(route, text, "s1"), of_session || open ? 200 : 403) << name;
    EXPECT_EQ(admit(route, text, "s2"), of_session ? 403 : open ? 200 : 403) << name;
  }
}

TEST_F(RouteScopes, RevokedMeansUnknown) {
  const auto minted = mint(Scope::admin);
  EXPECT_EQ(admit(routes()[2], minted.text), 200);
  ASSERT_TRUE(tokens_->revoke(minted.record.id));
  EXPECT_EQ(admit(routes()[2], minted.text), 401);
}

// What each scope reaches is a decision: a route that changes its scope, or comes without a thought about it, fails
// here. Commands over HTTP are at `view`: each has a tier of its own (session_authorization_test.cpp).
TEST_F(RouteScopes, WhatEachScopeReaches) {
  const std::map<std::string, std::set<std::string>> decided = {
      {"none", {"GET /health", "POST /api/v1/pairing/accept", "GET /{path*}"}},
      {"view",
       {"GET /metrics",
        "GET /api/v1/info",
        "GET /api/v1/openapi.json",
        "GET /api/v1/asyncapi.json",
        "GET /api/v1/events",
        "POST /api/v1/notebooks/open",
        "GET /api/v1/files",
        "GET /api/v1/sessions",
        "GET /api/v1/sessions/{session_id}",
        "POST /api/v1/sessions/{session_id}/clients",
        "GET /api/v1/sessions/{session_id}/connect",
        "GET /api/v1/sessions/{session_id}/relay",
        "GET /api/v1/sessions/{session_id}/events",
        "GET /api/v1/sessions/{session_id}/document",
        "GET /api/v1/sessions/{session_id}/file",
        "GET /api/v1/sessions/{session_id}/nbextensions",
        "GET /api/v1/sessions/{session_id}/outputs/{output_id}",
        "GET /api/v1/sessions/{session_id}/history",
        "GET /api/v1/sessions/{session_id}/history/{version}",
        "GET /api/v1/sessions/{session_id}/blame/{cell_id}",
        "GET /api/v1/sessions/{session_id}/takeover/{request_id}",
        "POST /api/v1/sessions/{session_id}/commands/{name}",
        "GET /api/v1/policy",
        "GET /api/v1/sessions/{session_id}/policy",
        "GET /api/v1/plugins",
        "GET /api/v1/presence",
        "POST /api/v1/remote/{session_id}/attach",
        "GET /blobs/{sha256}"}},
      {"edit",
       {"POST /api/v1/notebooks/create", "GET /api/v1/files/content", "POST /api/v1/files/content",
        "POST /api/v1/files/folder", "POST /api/v1/files/rename", "DELETE /api/v1/files",
        "DELETE /api/v1/sessions/{session_id}", "POST /api/v1/sessions/{session_id}/takeover",
        "POST /api/v1/remote/{device_id}/create"}},
      {"admin",
       {"PUT /api/v1/policy", "PUT /api/v1/sessions/{session_id}/policy",
        "GET /api/v1/sessions/{session_id}/policy/record", "GET /api/v1/plugins/{id}",
        "POST /api/v1/plugins/{id}/reload", "GET /api/v1/tokens", "POST /api/v1/tokens", "DELETE /api/v1/tokens/{id}",
        "POST /api/v1/pairing", "POST /api/v1/pairing/join", "POST /api/v1/pairing/withdraw", "GET /api/v1/devices",
        "DELETE /api/v1/devices/{device_id}"}},
  };
  std::map<std::string, std::set<std::string>> table;
  for (const auto& route : routes())
    table[std::string(scope_name(route.scope))].insert(std::string(route.method) + " " + std::string(route.pattern));
  for (const auto& [scope, list] : decided) EXPECT_EQ(table[scope], list) << scope;
  EXPECT_EQ(table.size(), decided.size());
}

}  // namespace
}  // namespace lectern::api
