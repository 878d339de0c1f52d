// Which clients the sessions of this host know, so that a good key used in the wrong session (400 not_a_member) is told
// apart from a wrong one (401 client_unknown). The sessions live on different reactors: [any] for every function.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/crypto.hpp"

namespace lectern::session {

class ClientBook {
 public:
  void add(const std::string& id, const std::string& secret_hash) {
    const std::scoped_lock lock(mutex_);
    hashes_[id] = secret_hash;
  }
  void remove(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    hashes_.erase(id);
  }
  /// `secret_hash` is the sha256 of the secret, raw.
  [[nodiscard]] bool knows(std::string_view id, std::string_view secret_hash) const {
    const std::scoped_lock lock(mutex_);
    const auto it = hashes_.find(id);
    return it != hashes_.end() && crypto::equal(it->second, secret_hash);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> hashes_;
};

}  // namespace lectern::session
