// The signature of a message: HMAC-SHA256 over its parts (messaging protocol 5.3), with all that depends on the key
// alone computed once. OpenSSL's HMAC() looks its algorithm up, allocates and locks for each call; beside a kernel that
// has just used the caches that took longer than the digest (bench/README.md).
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace jupyter {

/// 32 bytes as lower-case hex.
using Signature = std::array<char, 64>;

/// What signs with one key. Functions are [any]: nothing changes after construction.
class Signer {
 public:
  explicit Signer(std::string_view key);
  ~Signer();
  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;

  /// The signature of `parts` as if they were one text.
  [[nodiscard]] Signature sign(std::initializer_list<std::string_view> parts) const;
  /// Whether `signature` is that of `parts`, in a time that does not tell how much of it is right.
  [[nodiscard]] bool agrees(std::string_view signature, std::initializer_list<std::string_view> parts) const;

 private:
  struct Keyed;
  std::unique_ptr<const Keyed> keyed_;
};

}  // namespace jupyter
