#include "api/static_files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace lectern::api {
namespace {
namespace fs = std::filesystem;

class StaticFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::temp_directory_path() / ("lectern-static-" + std::to_string(::getpid()));
    fs::create_directories(base_ / "web" / "assets");
    write("web/index.html", "<page>");
    write("web/output-frame.html", "<frame>");
    write("web/assets/app-abc123.js", "code()");
    write("web/.hidden.txt", "no");
    write("secret.txt", "secret");
    fs::create_symlink(base_ / "secret.txt", base_ / "web" / "link.txt");
  }
  void TearDown() override { fs::remove_all(base_); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(base_ / name) << text; }
  [[nodiscard]] Result<Response> get(const std::string& path, const std::string& etag = {}) const {
    Request request;
    request.path = path;
    if (!etag.empty()) request.headers = {{"If-None-Match", etag}};
    return StaticFiles(base_ / "web").get(path, request);
  }
  static std::string header(const Response& response, std::string_view name) {
    Request as_request;
    as_request.headers = response.headers;
    const auto* value = as_request.header(name);
    return value ? *value : "";
  }
  fs::path base_;
};

TEST_F(StaticFilesTest, PageRoutesGetThePageUnderItsPolicy) {
  for (const auto* path : {"/", "/index.html", "/some/route"}) {
    const auto response = get(path);
    ASSERT_TRUE(response) << path;
    EXPECT_EQ(response->body, "<page>");
    EXPECT_NE(header(*response, "Content-Security-Policy").find("frame-ancestors 'none'"), std::string::npos);
    EXPECT_EQ(header(*response, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header(*response, "Referrer-Policy"), "no-referrer");
    EXPECT_EQ(header(*response, "Cache-Control"), "no-cache");
  }
}

TEST_F(StaticFilesTest, TheOutputFrameIsSandboxedByItsOwnPolicy) {
  const auto response = get("/output-frame.html");
  ASSERT_TRUE(response);
  const auto policy = header(*response, "Content-Security-Policy");
  EXPECT_EQ(policy.rfind("sandbox allow-scripts; default-src 'none';", 0), 0U);
  EXPECT_EQ(policy.find("allow-same-origin"), std::string::npos);
  EXPECT_EQ(policy.find("connect-src"), std::string::npos);
}

TEST_F(StaticFilesTest, HashedAssetsAreCachedForGoodAndOthersRevalidate) {
  const auto asset = get("/assets/app-abc123.js");
  ASSERT_TRUE(asset);
  EXPECT_EQ(header(*asset, "Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_NE(header(*asset, "Cache-Control").find("immutable"), std::string::npos);
  const auto again = get("/", header(*get("/"), "ETag"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status, 304);
}

TEST_F(StaticFilesTest, NothingOutsideTheFolderIsServed) {
  for (const auto* path :
       {"/../secret.txt", "/assets/../../secret.txt", "/link.txt", "/.hidden.txt", "/missing.js", "//secret.txt"}) {
    const auto response = get(path);
    ASSERT_FALSE(response) << path;
    EXPECT_EQ(response.error().status, 404) << path;
  }
}

TEST_F(StaticFilesTest, WithoutThePageThePersonIsTold) {
  fs::remove(base_ / "web" / "index.html");
  const auto response = get("/");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_NE(response->body.find("--web-dir"), std::string::npos);
}

TEST(TokenPage, ShowsNoMarkupOfAnybodyElse) {
  const auto response = token_page({429, "too_many_failures", "<script> & b", "", ""});
  EXPECT_EQ(response.body.find("<script>"), std::string::npos);
  EXPECT_NE(response.body.find("&lt;script&gt; &amp; b"), std::string::npos);
  EXPECT_NE(onward_page("/?a=\"><script>").body.find("&quot;&gt;&lt;script&gt;"), std::string::npos);
}

}  // namespace
}  // namespace lectern::api
