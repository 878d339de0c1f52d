#include "base/module.hpp"

#include <gtest/gtest.h>

namespace lectern {
namespace {

TEST(Module, ThatIsMissingIsNamedWithWhatIsInIt) {
  const auto found = module_function("lectern-nowhere.so", "nothing", "nowhere_missing", "the way there");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().status, 500);
  EXPECT_EQ(found.error().code, "nowhere_missing");
  EXPECT_NE(found.error().message.find("lib/lectern/lectern-nowhere.so"), std::string::npos) << found.error().message;
  EXPECT_NE(found.error().message.find("the way there is in it"), std::string::npos) << found.error().message;
}

TEST(Module, ThatIsMissingIsLookedForAgain) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(module_function("lectern-nowhere.so", "nothing", "code", "it"));
}

}  // namespace
}  // namespace lectern
