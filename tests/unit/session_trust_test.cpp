// What a notebook wants installed, and who on this machine has approved it.
#include <fstream>

#include "session/dependencies.hpp"
#include "session/trust_store.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

using Names = std::vector<std::string>;

TEST(DependenciesTest, EveryManagersAreFound) {
  EXPECT_EQ(dependencies_of(
                R"({"uv":{"dependencies":["NumPy>=2","scikit_learn[all] ; python_version>'3'"],"requires-python":">=3"},
                               "runt":{"conda":{"dependencies":["xarray=2024.1"],"channels":["conda-forge","bioconda"]}},
                               "pixi":{"dependencies":{"polars":"*"},"pypi-dependencies":{"x":{"git":"https://a/b"}}},
                               "deno":{"permissions":["--allow-net"],"import_map":"./m.json"},"kernelspec":{"name":"python3"}})"),
            (Names{"conda channels bioconda", "conda dependencies xarray", "deno import_map ./m.json",
                   "deno permissions --allow-net", "pixi dependencies polars",
                   R"(pixi pypi-dependencies x @ {"git":"https://a/b"})", "uv dependencies numpy",
                   "uv dependencies scikit-learn"}));
  EXPECT_EQ(dependencies_of(R"({"lectern":{"package_manager":"conda","dependencies":["a","a"]}})"),
            Names{"conda dependencies a"});
  for (const auto* none :
       {"{}", "[]", "", "{", R"({"uv":null,"conda":{"channels":["conda-forge"]}})", R"({"uv":{"dependencies":[]}})"}) {
    EXPECT_EQ(dependencies_of(none), Names{}) << none;
  }
}

TEST(DependenciesTest, WhereAPackageComesFromIsPartOfWhatIsApproved) {
  const auto of = [](const std::string& text) {
    return dependencies_of("{\"uv\":{\"dependencies\":[\"" + text + "\"]}}").at(0);
  };
  EXPECT_EQ(of("Foo.Bar"), of("foo__bar == 2"));
  for (const auto* other : {"foo-bar @ https://evil/x.whl", "git+https://evil/foo-bar", "./foo-bar", "evil::foo-bar"}) {
    EXPECT_NE(of(other), of("foo-bar")) << other;
    EXPECT_EQ(of(other), std::string("uv dependencies ") + other);
  }
}

TEST(TrustStoreTest, ApprovalsOutliveTheStoreAndADamagedFileApprovesNothing) {
  const TempFolder folder;
  const auto dir = (folder.path() / "state").string();
  {
    TrustStore store(dir);
    EXPECT_EQ(store.unapproved({"uv dependencies a"}), Names{"uv dependencies a"});
    ASSERT_TRUE(store.approve({"uv dependencies a"}));
    TrustStore other(dir);  // of another host on this machine
    ASSERT_TRUE(other.approve({"uv dependencies b"}));
    EXPECT_FALSE(store.unapproved({"uv dependencies b"}).empty());
    store.refresh();
    EXPECT_EQ(store.unapproved({"uv dependencies a", "uv dependencies b", "uv dependencies c"}),
              Names{"uv dependencies c"});
  }
  std::ofstream(dir + "/trust.json") << "{\"approved\":";
  TrustStore store(dir);
  store.refresh();
  EXPECT_EQ(store.unapproved({"uv dependencies a"}), Names{"uv dependencies a"});
}

class SessionTrustTest : public SessionTest {
 protected:
  static std::string notebook(const std::string& packages) {
    auto text = small_notebook;
    const std::string metadata = R"("metadata":{},"nbformat")";
    return text.replace(text.find(metadata), metadata.size(),
                        R"("metadata":{"uv":{"dependencies":[)" + packages + R"(]}},"nbformat")");
  }
  void start_with(const std::string& packages) {
    fs::create_directories(folder_.path() / "root");
    std::ofstream(folder_.path() / "root" / "n.ipynb") << notebook(packages);
    start();
  }
  std::string heads() {
    const auto bytes = ask<DocumentBytes>([this](Reply<DocumentBytes> reply) { session_->document(std::move(reply)); });
    return bytes ? "{\"heads\":[\"" + bytes->heads.at(0) + "\"]}" : "";
  }
};

TEST_F(SessionTrustTest, ApprovalIsOfWhatWasLookedAt) {
  start_with(R"("numpy")");
  EXPECT_TRUE(session_->connection_info().needs_trust_approval);
  auto first = tab();
  first->await("kernel-ready");
  const auto told = first->await("trust-state");
  EXPECT_TRUE(flag_of(told.data, "needs_approval"));
  EXPECT_EQ(json::write(at(told.data, {"dependencies"})), R"(["uv dependencies numpy"])");
  const auto seen = heads();
  first->send(
      R"({"id":"more","command":"transaction","epoch":1,"body":{"changes":[{"type":"set_metadata","cell_id":null,)"
      R"("path":["uv","dependencies"],"value":["numpy","evil"]}]}})");
  EXPECT_EQ(json::write(at(first->await("trust-state").data, {"dependencies"})),
            R"(["uv dependencies evil","uv dependencies numpy"])");
  ASSERT_TRUE(flag_of(first->reply("more"), "ok"));
  const auto late = first->command("trust", seen, 1);
  EXPECT_EQ(error_code(late), "stale_base");
  EXPECT_EQ(number_of(at(late, {"error"}), "status"), 409u);
  EXPECT_TRUE(session_->connection_info().needs_trust_approval);
  first->send(R"({"id":"now","command":"trust","epoch":1,"body":)" + heads() + "}");
  EXPECT_FALSE(flag_of(first->await("trust-state").data, "needs_approval"));
  ASSERT_TRUE(flag_of(first->reply("now"), "ok"));
  EXPECT_FALSE(session_->connection_info().needs_trust_approval);
  auto second = tab();
  EXPECT_FALSE(flag_of(second->await("trust-state").data, "needs_approval"));
  EXPECT_EQ(host_->read("n.ipynb").find("trust"), std::string::npos);
}

TEST_F(SessionTrustTest, ANotebookThatAsksForNothingNeedsNoApprovalAndSaysNothing) {
  start();
  EXPECT_FALSE(session_->connection_info().needs_trust_approval);
  auto first = tab();
  first->await("replay-complete");
  for (const auto& one : first->all()) EXPECT_NE(one.op, "trust-state");
}

}  // namespace
}  // namespace lectern::session::testing
