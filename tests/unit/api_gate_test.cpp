#include "api/gate.hpp"

#include <gtest/gtest.h>

namespace lectern::api {
namespace {

Request request(std::vector<std::pair<std::string, std::string>> headers, std::string query = {}) {
  Request out;
  out.method = "GET";
  out.path = "/api/v1/info";
  out.query = std::move(query);
  out.headers = std::move(headers);
  out.peer = "203.0.113.9";
  return out;
}

GateOptions options() {
  GateOptions out;
  out.token = "correct-horse";
  out.failures_allowed = 3;
  return out;
}

template <class T>
int status(const Result<T>& result) {
  return result ? 200 : result.error().status;
}

TEST(Gate, TakesTheTokenAsBearerTokenOrQuery) {
  Gate gate(options());
  EXPECT_EQ(status(gate.authenticate(request({{"Authorization", "Bearer correct-horse"}}))), 200);
  EXPECT_EQ(status(gate.authenticate(request({{"authorization", "token correct-horse"}}))), 200);
  EXPECT_EQ(status(gate.authenticate(request({}, "a=1&token=correct-horse"))), 200);
  EXPECT_EQ(status(gate.authenticate(request({{"Authorization", "Basic correct-horse"}}))), 401);
  EXPECT_EQ(status(gate.authenticate(request({{"Authorization", "Bearer correct-hors"}}))), 401);
  EXPECT_EQ(status(gate.authenticate(request({}))), 401);
}

TEST(Gate, TheCookieStandsForTheTokenButIsNotTheToken) {
  Gate gate(options());
  const auto head = request({{"Host", "localhost:8899"}});
  const auto cookie = gate.set_cookie(head);
  EXPECT_EQ(cookie.find("correct-horse"), std::string::npos);
  EXPECT_NE(cookie.find("HttpOnly"), std::string::npos);
  EXPECT_NE(cookie.find("SameSite=Strict"), std::string::npos);
  const auto pair = cookie.substr(0, cookie.find(';'));
  EXPECT_EQ(status(gate.authenticate(request({{"Host", "localhost:8899"}, {"Cookie", "x=y; " + pair}}))), 200);
  // Cookies know no ports: that of another server on this machine has another name.
  EXPECT_EQ(status(gate.authenticate(request({{"Host", "localhost:8900"}, {"Cookie", pair}}))), 401);
}

TEST(Gate, WrongTokensAreCountedAndMissingOnesAreNot) {
  Gate gate(options());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(status(gate.authenticate(request({}))), 401);
  const auto wrong = request({{"Authorization", "Bearer guess"}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status(gate.authenticate(wrong)), 401);
  EXPECT_EQ(status(gate.authenticate(wrong)), 429);
  // Over the limit, a right guess is not told from a wrong one...
  const auto right = request({{"Authorization", "Bearer correct-horse"}});
  EXPECT_EQ(status(gate.authenticate(right)), 429);
  // ...but other addresses, and everybody on this machine, are not locked out by it.
  auto other = right;
  other.peer = "203.0.113.10";
  EXPECT_EQ(status(gate.authenticate(other)), 200);
  auto local = right;
  local.loopback_peer = true;
  EXPECT_EQ(status(gate.authenticate(local)), 200);
  // They share their address, so they may be wrong more often before somebody is told to wait.
  auto wrong_here = wrong;
  wrong_here.peer = "127.0.0.1";
  wrong_here.loopback_peer = true;
  for (int i = 0; i < 30; ++i) EXPECT_EQ(status(gate.authenticate(wrong_here)), 401);
  int told = 0;
  for (int i = 0; i < 1000 && told != 429; ++i) told = status(gate.authenticate(wrong_here));
  EXPECT_EQ(told, 429);
}

TEST(Gate, AnswersToItsOwnNamesOnly) {
  Gate gate(options());
  for (const auto* host : {"localhost:8899", "127.0.0.1:8899", "[::1]:8899", "LOCALHOST"}) {
    EXPECT_EQ(status(gate.check_host(request({{"Host", host}}))), 200) << host;
  }
  for (const auto* host : {"evil.example:8899", "127.0.0.1.evil.example", "localhost.", "", "localhost:port"}) {
    EXPECT_EQ(status(gate.check_host(request({{"Host", host}}))), 421) << host;
  }
  EXPECT_EQ(status(gate.check_host(request({}))), 421);
}

TEST(Gate, RefusesPagesOfOtherSites) {
  Gate gate(options());
  const auto with = [](std::vector<std::pair<std::string, std::string>> headers) {
    headers.emplace_back("Host", "localhost:8899");
    return request(std::move(headers));
  };
  EXPECT_EQ(status(gate.check_site(with({}), false)), 200);
  EXPECT_EQ(status(gate.check_site(with({{"Origin", "http://localhost:8899"}}), false)), 200);
  EXPECT_EQ(status(gate.check_site(with({{"Sec-Fetch-Site", "same-origin"}}), false)), 200);
  for (const auto* origin : {"http://localhost:3000", "http://evil.example", "null", "", "http://127.0.0.1:8899"}) {
    EXPECT_EQ(status(gate.check_site(with({{"Origin", origin}}), false)), 403) << origin;
  }
  EXPECT_EQ(status(gate.check_site(with({{"Sec-Fetch-Site", "same-site"}}), false)), 403);
  EXPECT_EQ(status(gate.check_site(with({{"Sec-Fetch-Site", "cross-site"}}), false)), 403);
}

TEST(Gate, ALinkFromAnotherSiteMayLeadToThePageButNotIntoAFrame) {
  Gate gate(options());
  auto head = request({{"Host", "localhost:8899"},
                       {"Sec-Fetch-Site", "cross-site"},
                       {"Sec-Fetch-Mode", "navigate"},
                       {"Sec-Fetch-Dest", "document"}});
  EXPECT_EQ(status(gate.check_site(head, true)), 200);
  EXPECT_EQ(status(gate.check_site(head, false)), 403);
  head.headers[3].second = "iframe";
  EXPECT_EQ(status(gate.check_site(head, true)), 403);
}

TEST(Gate, WithoutATokenEverybodyIsLetIn) {
  Gate gate(GateOptions{});
  EXPECT_EQ(status(gate.authenticate(request({}))), 200);
  EXPECT_FALSE(gate.token_in_query(request({}, "token=")));
}

}  // namespace
}  // namespace lectern::api
