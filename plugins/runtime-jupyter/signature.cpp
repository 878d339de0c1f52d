#include "signature.hpp"

// SHA-256 by its own functions: EVP would load OpenSSL's providers (docs/decisions/0031-idle-memory.md).
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

namespace jupyter {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;
using Block = std::array<unsigned char, SHA256_CBLOCK>;

/// RFC 2104: a key that is longer than a block is its digest instead, a shorter one is filled with zeros.
Block block_of(std::string_view key) {
  Block block{};
  if (key.size() > block.size()) {
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), block.data());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  return block;
}

SHA256_CTX begun_with(Block block, unsigned char pad) {
  for (auto& byte : block) byte ^= pad;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
  return context;
}

Signature hex(const Digest& digest) {
  constexpr char digits[] = "0123456789abcdef";
  Signature out{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    out.at(2 * i) = digits[digest.at(i) >> 4];
    out.at(2 * i + 1) = digits[digest.at(i) & 15];
  }
  return out;
}

}  // namespace

struct Signer::Keyed {
  SHA256_CTX inner, outer;
};

Signer::Signer(std::string_view key) {
  Block block = block_of(key);
  keyed_ = std::make_unique<const Keyed>(Keyed{begun_with(block, 0x36), begun_with(block, 0x5C)});
  OPENSSL_cleanse(block.data(), block.size());
}
Signer::~Signer() = default;
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;

Signature Signer::sign(std::initializer_list<std::string_view> parts) const {
  Digest digest{};
  SHA256_CTX inner = keyed_->inner;
  for (const auto part : parts) SHA256_Update(&inner, part.data(), part.size());
  SHA256_Final(digest.data(), &inner);
  SHA256_CTX outer = keyed_->outer;
  SHA256_Update(&outer, digest.data(), digest.size());
  SHA256_Final(digest.data(), &outer);
  return hex(digest);
}

bool Signer::agrees(std::string_view signature, std::initializer_list<std::string_view> parts) const {
  const auto expected = sign(parts);
  return signature.size() == expected.size() && CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) == 0;
}

}  // namespace jupyter
