// Digests (OpenSSL's), randomness (the system's), comparison in constant time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace lectern::crypto {

/// [any] 32 raw bytes.
std::string sha256(std::string_view bytes);
/// [any] 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);
/// [any] 32 raw bytes.
std::string hmac_sha256(std::string_view key, std::string_view bytes);
/// [any] `count` bytes from the system's generator; ends the process if there are none (nothing is safe then).
std::string random_bytes(std::size_t count);
/// [any] `count` random bytes as base64url without padding: tokens, secrets, ids.
std::string random_token(std::size_t count);
/// [any] A random (version 4) UUID in its usual text form.
std::string uuid();
/// [any] Equality whose time depends on the lengths only.
bool equal(std::string_view a, std::string_view b);

/// sha256 in steps, for files and streams.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::string_view bytes);
  /// 32 raw bytes; the object is spent.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lectern::crypto
