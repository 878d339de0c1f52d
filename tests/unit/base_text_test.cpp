#include "base/text.hpp"

#include <gtest/gtest.h>

#include "base/crypto.hpp"

namespace text = lectern::text;

TEST(Text, Utf8) {
  EXPECT_TRUE(text::valid_utf8("héllo 😀"));
  EXPECT_FALSE(text::valid_utf8("\xc0\x80"));
  EXPECT_FALSE(text::valid_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(text::valid_utf8("\xf5\x80\x80\x80"));
  EXPECT_EQ(text::code_points("a😀é"), 3u);
  EXPECT_EQ(text::byte_offset("a😀é", 2), 5u);
  EXPECT_EQ(text::byte_offset("a", 9), 1u);
}

TEST(Text, Base64IsStrict) {
  for (const std::string plain : {"", "f", "fo", "foo", "foob"}) {
    EXPECT_EQ(text::from_base64(text::to_base64(plain)), plain);
  }
  EXPECT_EQ(text::to_base64("fo"), "Zm8=");
  EXPECT_FALSE(text::from_base64("Zm8"));
  EXPECT_FALSE(text::from_base64("Zm9="));
  EXPECT_FALSE(text::from_base64("Z=8="));
  EXPECT_FALSE(text::from_base64("Zm\n8"));
}

TEST(Text, LabelsAreSafeToShow) {
  EXPECT_EQ(text::label("a\x1b[31m\xe2\x80\xae"
                        "b",
                        10),
            "a[31mb");
  EXPECT_EQ(text::label("😀😀😀", 2), "😀😀");
}

TEST(Text, SuggestsTheNearestWord) {
  const std::vector<std::string> known{"policy", "port", "bind"};
  EXPECT_EQ(text::nearest("polcy", known), "policy");
  EXPECT_EQ(text::nearest("zzzzzz", known), "");
}

TEST(Crypto, KnownDigest) {
  EXPECT_EQ(lectern::crypto::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_NE(lectern::crypto::uuid(), lectern::crypto::uuid());
  EXPECT_TRUE(lectern::crypto::equal("abc", "abc"));
  EXPECT_FALSE(lectern::crypto::equal("abc", "abd"));
}
