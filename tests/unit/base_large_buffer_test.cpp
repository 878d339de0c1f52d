#include "base/large_buffer.hpp"

#include <gtest/gtest.h>

namespace lectern {
namespace {

TEST(LargeBufferTest, HasTheRoomAndKeepsWhatIsInIt) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, std::size_t{5} << 20}) {
    std::string buffer = "before";
    reserve_large(buffer, bytes);
    EXPECT_GE(buffer.capacity(), bytes);
    EXPECT_EQ(buffer, "before");
    const auto* place = buffer.data();
    buffer.append(bytes > buffer.size() ? bytes - buffer.size() : 0, 'x');
    EXPECT_EQ(buffer.data(), place);
    EXPECT_TRUE(buffer.starts_with("before"));
  }
}

}  // namespace
}  // namespace lectern
