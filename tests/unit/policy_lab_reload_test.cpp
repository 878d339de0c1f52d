// A policy that is loaded anew while its last user lets go of it: both would be the same memory, and ending the old one
// must not end the new one.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "plugin_support.hpp"
#include "policy_lab/rehearsal.hpp"

namespace lectern::policy_lab {
namespace {

using PolicyReload = plugin::testing::RegistryTest;

TEST_F(PolicyReload, WhoLetsGoWhileAnotherLoadsEndsNobodyElses) {
  const auto all = registry({plugin::testing::shipped});
  std::atomic<int> failed{0}, decided{0};
  std::vector<std::thread> users;
  for (int i = 0; i < 3; ++i) {
    users.emplace_back([&] {
      for (int round = 0; round < 40; ++round) {
        const auto generation = all->load(plugin::Kind::policy, "queue");
        const auto policy = generation ? plugin::Policy::create(*generation, "{}")
                                       : Result<plugin::PolicyPtr>(fail(generation.error()));
        plugin::PolicyEvent event;
        const auto outcome =
            policy ? (*policy)->reduce("", {}, event) : Result<plugin::PolicyOutcome>(fail(policy.error()));
        ++(outcome ? decided : failed);
      }
    });
  }
  for (auto& user : users) user.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(decided, 3 * 40);
}

}  // namespace
}  // namespace lectern::policy_lab
