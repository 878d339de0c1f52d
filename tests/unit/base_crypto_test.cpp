// Known answers: FIPS 180-2 and RFC 4231.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/crypto.hpp"
#include "base/text.hpp"

namespace lectern {
namespace {

TEST(Sha256, HasThePublishedDigests) {
  EXPECT_EQ(crypto::sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(crypto::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(crypto::sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, InStepsIsTheSame) {
  const std::string text(1000, 'x');
  for (const std::size_t step : {1u, 63u, 64u, 65u, 999u}) {
    crypto::Sha256 hash;
    for (std::size_t at = 0; at < text.size(); at += step) hash.update(std::string_view(text).substr(at, step));
    EXPECT_EQ(hash.finish(), crypto::sha256(text)) << step;
  }
}

TEST(HmacSha256, HasThePublishedDigests) {
  const auto hex = [](const std::string& key, const std::string& text) {
    return text::to_hex(crypto::hmac_sha256(key, text));
  };
  EXPECT_EQ(hex(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(hex("", ""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(RandomBytes, AreAsManyAsAskedForAndNeverTheSame) {
  EXPECT_EQ(crypto::random_bytes(0), "");
  EXPECT_EQ(crypto::random_bytes(100'000).size(), 100'000u);  // the system gives less than this at once
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(crypto::random_bytes(16));
  EXPECT_EQ(seen.size(), 100u);
}

TEST(Equal, IsEqualityOfBytes) {
  EXPECT_TRUE(crypto::equal("", ""));
  EXPECT_TRUE(crypto::equal("secret", "secret"));
  EXPECT_FALSE(crypto::equal("secret", "secreT"));
  EXPECT_FALSE(crypto::equal("secret", "secret "));
}

}  // namespace
}  // namespace lectern
