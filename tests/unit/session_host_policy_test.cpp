// The host's policy and the notebooks that are opened while it is swapped.
#include "session/host_policy.hpp"

#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class HostPolicyTest : public SessionTest {
 protected:
  /// One whose sessions are those of `begun_`, not those of the directory.
  void make() {
    HostPolicy::Host host;
    host.registry = &host_->registry();
    host.workers = &host_->workers();
    host.begun = [this] {
      const std::scoped_lock lock(mutex_);
      return begun_;
    };
    host.at_work = [] { return std::make_shared<int>(); };
    policy_ = std::make_shared<HostPolicy>(PolicyChoice{"local-takeover", "{}"}, std::move(host));
  }
  void begin(const SessionPtr& session, std::uint64_t round) {
    {
      const std::scoped_lock lock(mutex_);
      begun_.push_back(session);
    }
    policy_->began(session, round);
  }
  std::future<Result<json::Value>> swap(const std::string& id) {
    auto promise = std::make_shared<std::promise<Result<json::Value>>>();
    policy_->swap({id, "{}"}, [promise](Result<json::Value> answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  }
  static std::string runs(const SessionPtr& session) {
    const auto now = ask<json::Value>([&](Reply<json::Value> reply) { session->policy(std::move(reply)); });
    return now ? text_of(*now, "policy") : now.error().message;
  }
  static bool comes_to(const SessionPtr& session, const std::string& id) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (runs(session) != id) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }
  SessionPtr open_other() {
    host_->write("m.ipynb", small_notebook);
    auto opened = host_->open("m.ipynb");
    return opened ? *opened : nullptr;
  }

  std::mutex mutex_;
  std::vector<SessionPtr> begun_;
  std::shared_ptr<HostPolicy> policy_;

  void TearDown() override {
    policy_.reset();
    begun_.clear();
    SessionTest::TearDown();
  }
};

TEST_F(HostPolicyTest, ANotebookThatWasPreparedBeforeTheSwapGoesOverWhenItBegins) {
  start();
  make();
  const auto prepared_with = policy_->now().round;
  const auto answer = swap("collaborative").get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(runs(session_), "local-takeover") << "it was not there yet";
  begin(session_, prepared_with);
  EXPECT_TRUE(comes_to(session_, "collaborative"));
}

TEST_F(HostPolicyTest, ANotebookThatBeginsWhileTheSwapIsUnderWayGoesOverWhenThatIsMade) {
  start();
  const auto other = open_other();
  ASSERT_TRUE(other);
  make();
  begin(session_, 0);
  std::promise<void> goes_on;
  host_->hold_reactors(goes_on.get_future().share());
  auto answer = swap("collaborative");
  begin(other, 0);
  goes_on.set_value();
  ASSERT_TRUE(answer.get());
  EXPECT_TRUE(comes_to(session_, "collaborative"));
  EXPECT_TRUE(comes_to(other, "collaborative"));
}

TEST_F(HostPolicyTest, OfManySwapsAtOnceTheLastOneHoldsForAllAndForThoseToCome) {
  start();
  const auto other = open_other();
  ASSERT_TRUE(other);
  make();
  begin(session_, 0);
  begin(other, 0);
  std::vector<std::future<Result<json::Value>>> answers;
  for (int i = 0; i < 12; ++i) answers.push_back(swap(i % 2 == 0 ? "collaborative" : "local-takeover"));
  answers.push_back(swap("collaborative"));
  for (auto& answer : answers) ASSERT_TRUE(answer.get());
  EXPECT_EQ(runs(session_), "collaborative");
  EXPECT_EQ(runs(other), "collaborative");
  EXPECT_EQ(policy_->now().choice.policy, "collaborative");
}

TEST_F(HostPolicyTest, ASessionThatEndsMeanwhileIsNoReasonToRefuseTheChoice) {
  start();
  make();
  begin(session_, 0);
  ASSERT_TRUE(ask<bool>([&](Reply<bool> reply) { session_->end("SESSION_ENDED", std::move(reply)); }));
  const auto answer = swap("collaborative").get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->find("sessions")->as_array()->empty());
  EXPECT_EQ(policy_->now().choice.policy, "collaborative");
}

TEST_F(HostPolicyTest, ANotebookThatWasPreparedWithAnOldBuildGoesOverToTheNewOne) {
  start();
  make();
  std::promise<json::Array> renewed;
  policy_->renew("local-takeover", [&](json::Array rows) { renewed.set_value(std::move(rows)); });
  EXPECT_TRUE(renewed.get_future().get().empty());
  EXPECT_GT(policy_->now().round, 0u) << "what was prepared before is behind";
}

}  // namespace
}  // namespace lectern::session::testing
