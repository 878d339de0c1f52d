// The signature of Jupyter's messages, against RFC 4231 and against the host's own HMAC.
#include <gtest/gtest.h>

#include <string>

#include "../../plugins/runtime-jupyter/signature.hpp"
#include "base/crypto.hpp"
#include "base/text.hpp"

namespace jupyter {
namespace {

std::string text_of(const Signature& signature) {
  return {signature.data(), signature.size()};
}

TEST(JupyterSignatureTest, IsThatOfTheStandard) {  // RFC 4231, 4.3 and 4.7
  EXPECT_EQ(text_of(Signer("Jefe").sign({"what do ya want ", "for nothing?"})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(text_of(Signer(std::string(131, '\xAA')).sign({"Test Using Larger Than Block-Size Key - Hash Key First"})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(JupyterSignatureTest, IsTheSameForAnyKeyAndAnyParts) {
  for (const std::size_t length : {0U, 1U, 63U, 64U, 65U, 1000U}) {
    const std::string key(length, 'k'), bytes(3 * length + 1, 'b');
    const Signer signer(key);
    const auto expected = lectern::text::to_hex(lectern::crypto::hmac_sha256(key, bytes));
    EXPECT_EQ(text_of(signer.sign({bytes})), expected) << length;
    EXPECT_EQ(text_of(signer.sign({"", bytes.substr(0, length), bytes.substr(length)})), expected) << length;
  }
}

TEST(JupyterSignatureTest, AgreesWithItsOwnOnly) {
  const Signer signer("key");
  auto signature = text_of(signer.sign({"header", "{}"}));
  EXPECT_TRUE(signer.agrees(signature, {"header{}"}));
  EXPECT_FALSE(signer.agrees(signature, {"header", "{ }"}));
  EXPECT_FALSE(Signer("another").agrees(signature, {"header", "{}"}));
  EXPECT_FALSE(signer.agrees(signature.substr(1), {"header", "{}"}));
  EXPECT_FALSE(signer.agrees("", {"header", "{}"}));
  signature.back() = signature.back() == '0' ? '1' : '0';
  EXPECT_FALSE(signer.agrees(signature, {"header", "{}"}));
}

}  // namespace
}  // namespace jupyter
