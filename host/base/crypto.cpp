#include "base/crypto.hpp"

// SHA-256 by its own functions and not by EVP: the first use of EVP loads OpenSSL's providers, which keeps 2 MB
// resident in every host (docs/decisions/0031-idle-memory.md). The code that computes the digest is the same.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/text.hpp"

namespace lectern::crypto {
namespace {
constexpr std::size_t hmac_block = 64;  // of SHA-256, RFC 2104

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
}  // namespace

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  SHA256_Init(&state_->context);
}
Sha256::~Sha256() = default;
void Sha256::update(std::string_view bytes) {
  SHA256_Update(&state_->context, bytes.data(), bytes.size());
}
std::string Sha256::finish() {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256_Final(bytes_of(digest), &state_->context);
  return digest;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}
std::string sha256_hex(std::string_view bytes) {
  return text::to_hex(sha256(bytes));
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  const std::string hashed = key.size() > hmac_block ? sha256(key) : std::string();
  const std::string_view used = key.size() > hmac_block ? std::string_view(hashed) : key;
  std::array<char, hmac_block> inner{}, outer{};
  std::copy(used.begin(), used.end(), inner.begin());
  outer = inner;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5C);
  Sha256 first, second;
  first.update({inner.data(), inner.size()});
  first.update(bytes);
  second.update({outer.data(), outer.size()});
  second.update(first.finish());
  return second.finish();
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  for (std::size_t have = 0; have < count;) {
    const auto got = ::getrandom(out.data() + have, count - have, 0);
    if (got > 0) have += static_cast<std::size_t>(got);
    if (got < 0 && errno != EINTR) std::abort();
  }
  return out;
}

std::string random_token(std::size_t count) {
  std::string out = text::to_base64(random_bytes(count));
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return out;
}

std::string uuid() {
  std::string raw = random_bytes(16);
  raw[6] = static_cast<char>((raw[6] & 0x0F) | 0x40);
  raw[8] = static_cast<char>((raw[8] & 0x3F) | 0x80);
  std::string hex = text::to_hex(raw);
  for (const std::size_t at : {8u, 13u, 18u, 23u}) hex.insert(at, "-");
  return hex;
}

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace lectern::crypto
