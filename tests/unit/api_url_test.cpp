#include "api/url.hpp"

#include <gtest/gtest.h>

#include "api/http.hpp"

namespace lectern::api {
namespace {

TEST(Url, DecodesAndRefusesBrokenEscapes) {
  EXPECT_EQ(percent_decode("a%20b%2Fc", false), "a b/c");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("a+b", false), "a+b");
  EXPECT_FALSE(percent_decode("a%2", false));
  EXPECT_FALSE(percent_decode("a%zz", false));
  EXPECT_EQ(percent_decode(percent_encode("ä/&=?# %"), false), "ä/&=?# %");
}

TEST(Url, ReadsQueries) {
  const auto pairs = parse_query("a=1&b=&&c&d=%zz&e=x%3Dy");
  ASSERT_EQ(pairs.size(), 4U);
  EXPECT_EQ(pairs[1], (std::pair<std::string, std::string>("b", "")));
  EXPECT_EQ(pairs[3].second, "x=y");
  EXPECT_EQ(query_without("path=a.ipynb&token=T&kiosk", "token"), "path=a.ipynb&kiosk");
  EXPECT_EQ(query_without("%74oken=T", "token"), "");
}

TEST(Url, ReadsAuthorities) {
  EXPECT_EQ(parse_authority("Example.ORG:80")->host, "example.org");
  EXPECT_EQ(parse_authority("[::1]:8899")->port, 8899);
  EXPECT_FALSE(parse_authority("[::1"));
  EXPECT_FALSE(parse_authority("a:99999"));
  EXPECT_FALSE(parse_authority("a:8x"));
  EXPECT_FALSE(parse_authority("user@host"));
  EXPECT_FALSE(parse_authority(""));
}

TEST(Url, ReadsCookies) {
  EXPECT_EQ(cookie("a=1; b=2;c=3", "b"), "2");
  EXPECT_EQ(cookie("ab=1", "b"), std::nullopt);
}

TEST(Url, AnETagIsNamedByItselfInAListWeaklyOrByAStar) {
  for (const auto* header : {"\"a.b\"", "W/\"a.b\"", "\"x\", \"a.b\"", "\"x\" , W/\"a.b\",\"y\"", "*"}) {
    EXPECT_TRUE(names_etag(header, "\"a.b\"")) << header;
  }
  for (const auto* header : {"", "a.b", "\"a\"", "\"a.b", "\"x\", \"y\"", "w/\"a.b\""}) {
    EXPECT_FALSE(names_etag(header, "\"a.b\"")) << header;
  }
}

TEST(Http, ErrorsHaveOneShape) {
  const auto response = error_response({409, "stale_epoch", "moved on", "ask again", R"({"epoch":7})"});
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.body,
            R"({"error":{"code":"stale_epoch","message":"moved on","hint":"ask again","details":{"epoch":7}}})");
}

TEST(Http, AWrongMethodNamesTheRightOnesInAHeader) {
  const auto response = error_response({405, "method_not_allowed", "no", "", R"({"allow":"GET, HEAD"})"});
  Request as_request;
  as_request.headers = response.headers;
  ASSERT_NE(as_request.header("allow"), nullptr);
  EXPECT_EQ(*as_request.header("Allow"), "GET, HEAD");
}

}  // namespace
}  // namespace lectern::api
