// The plugin's side of the checks (lectern/abi/ext/checks.h): the wrapper looks whether the host keeps to the contract
// and tells it in words. The host says how closely (plugin_checks: off, minimal, maximal); the host's own side looks
// after the plugin. Nothing here is for authors: every thunk of the wrapper goes through it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "lectern/abi/base.h"
#include "lectern/abi/ext/checks.h"
#include "lectern/abi/ext/log.h"
#include "lectern/abi/ext/metrics.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk::detail {

/// What the host gave at init; all null outside of init and deinit. Written by those two alone, which never run beside
/// anything else of the plugin.
struct Services {
  const lectern_host* host = nullptr;
  const lectern_log* log = nullptr;
  const lectern_metrics* metrics = nullptr;
  const lectern_checks* checks = nullptr;
  std::uint64_t round = 0;  // counts inits
};
inline Services& services() {
  static Services current;
  return current;
}

inline std::int32_t check_level() noexcept {
  const auto* checks = services().checks;
  return checks == nullptr ? std::int32_t{LECTERN_CHECKS_OFF} : checks->level;
}
/// [any] Tells the host what it did wrong.
inline void broken(std::string_view tag, std::string_view where, std::string_view what) noexcept {
  if (const auto* checks = services().checks) checks->broken(checks->ctx, str(tag), str(where), str(what));
}

/// The objects and connections that are alive, for the maximal level.
class Alive {
 public:
  bool add(const void* object, std::uint64_t connection = 0) {
    const std::scoped_lock lock(mutex_);
    return known_.emplace(object, connection).second;
  }
  bool remove(const void* object, std::uint64_t connection = 0) {
    const std::scoped_lock lock(mutex_);
    return known_.erase({object, connection}) != 0;
  }
  [[nodiscard]] bool has(const void* object, std::uint64_t connection = 0) const {
    const std::scoped_lock lock(mutex_);
    return known_.contains({object, connection});
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<const void*, std::uint64_t>> known_;
};
inline Alive& objects() {
  static Alive all;
  return all;
}
inline Alive& connections() {
  static Alive all;
  return all;
}
inline Alive& busy_connections() {
  static Alive all;
  return all;
}

/// How many calls of a kind are inside at the same time.
using Inside = std::atomic<int>;
inline Inside& inside_control() {
  static Inside count{0};
  return count;
}

/// A plugin's object with what the wrapper remembers of it.
template <class T>
struct Object {
  template <class... Args>
  explicit Object(Args&&... args) : value(std::forward<Args>(args)...) {}
  mutable Inside inside{0};
  T value;
};

/// One call of the host, seen from inside. `where` names the function, "lectern_policy.reduce".
class Call {
 public:
  explicit Call(std::string_view where, lectern_error* error = nullptr) : where_(where), error_(error) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (control_) inside_control().fetch_sub(1);
    if (alone_ != nullptr) alone_->fetch_sub(1);
    if (busy_ != nullptr) busy_connections().remove(busy_, connection_);
  }

  /// Each of these says whether the call can go on; once one said no, all do.
  Call& initialised() noexcept {
    if (services().host == nullptr) refuse("(initialised)", "was called before init or after deinit");
    return *this;
  }
  /// [control] calls never run side by side.
  Call& control() noexcept {
    if (watched()) {
      control_ = true;
      if (inside_control().fetch_add(1) != 0) say("[control]", "was called while another [control] call was running");
    }
    return *this;
  }
  /// Calls on what `inside` counts for never run side by side.
  Call& alone(std::string_view tag, Inside& inside, std::string_view about) noexcept {
    if (!failed_ && watched()) {
      alone_ = &inside;
      if (inside.fetch_add(1) != 0)
        say(tag, [&] { return "was called while another call " + std::string(about) + " was running"; });
    }
    return *this;
  }
  Call& object(const void* self) noexcept {
    if (self == nullptr) {
      refuse("(object)", "got no object");
    } else if (!failed_ && thorough() && !objects().has(self)) {
      refuse("(object)", "got an object that was destroyed, or that no create made");
    }
    return *this;
  }
  Call& connection(const void* self, std::uint64_t connection) noexcept {
    if (failed_ || !thorough()) return *this;
    const std::string_view during = "was called while another call about connection ";
    if (!connections().has(self, connection)) {
      refuse("(connection)",
             [&] { return "is about connection " + std::to_string(connection) + ", which is not open"; });
      return *this;
    }
    try {
      if (busy_connections().add(self, connection)) {
        busy_ = self;
        connection_ = connection;
        return *this;
      }
    } catch (const std::bad_alloc&) {  // then it is not watched
      return *this;
    }
    say("[reactor]", [&] { return std::string(during) + std::to_string(connection) + " was running"; });
    return *this;
  }
  Call& pointer(const void* given, std::string_view name) noexcept {
    if (given == nullptr) refuse("[call]", [&] { return "got a null " + std::string(name); });
    return *this;
  }
  /// `least`: what the struct was in SDK 0.1; no host may pass a shorter one.
  Call& size(std::uint32_t struct_size, std::size_t least, std::string_view name) noexcept {
    if (!failed_ && struct_size < least) {
      refuse("[call]", [&] {
        return "got a " + std::string(name) + " of " + std::to_string(struct_size) + " bytes, " +
               std::to_string(least) + " are the least";
      });
    }
    return *this;
  }
  /// A struct of the host: there, and long enough to be read. Before anything else of it is looked at.
  template <class Struct>
  Call& given(const Struct* from, std::string_view name, std::size_t least = sizeof(Struct)) noexcept {
    pointer(from, name);
    return from == nullptr ? *this : size(from->struct_size, least, name);
  }
  Call& text(lectern_str given, std::string_view name) noexcept {
    if (given.p == nullptr && given.n != 0) {
      refuse("[call]",
             [&] { return "got a " + std::string(name) + " of " + std::to_string(given.n) + " bytes at address 0"; });
    } else if (!failed_ && thorough() && !valid_utf8(view(given))) {
      say("[call]", [&] { return "got a " + std::string(name) + " that is not UTF-8"; });
    }
    return *this;
  }
  [[nodiscard]] static bool watched() noexcept { return check_level() >= LECTERN_CHECKS_MINIMAL; }
  [[nodiscard]] static bool thorough() noexcept { return check_level() >= LECTERN_CHECKS_MAXIMAL; }
  [[nodiscard]] bool failed() const { return failed_; }

  /// Runs `body` unless the call cannot go on.
  template <class Body>
  lectern_status run(Body&& body) noexcept {
    if (failed_) return LECTERN_CONFLICT;
    return guard(error_, std::forward<Body>(body));
  }

 private:
  /// Runs `take` on the words, which `what` is or makes. Making them may need memory that there is none of: nothing of
  /// this may throw.
  template <class Words, class Take>
  static void in_words(Words&& what, Take&& take) noexcept {
    try {
      if constexpr (std::is_invocable_v<Words>) {
        take(std::string_view(what()));
      } else {
        take(std::string_view(what));
      }
    } catch (const std::bad_alloc&) {
      take(std::string_view("broke the contract, and there is no memory to say how"));
    }
  }
  template <class Words>
  void say(std::string_view tag, Words&& what) noexcept {
    if (watched()) in_words(what, [&](std::string_view words) { broken(tag, where_, words); });
  }
  template <class Words>
  void refuse(std::string_view tag, Words&& what) noexcept {
    if (failed_) return;
    failed_ = true;
    say(tag, what);
    in_words(what, [&](std::string_view words) { fill(error_, LECTERN_CONFLICT, words); });
  }

  std::string_view where_;
  lectern_error* error_;
  Inside* alone_ = nullptr;
  const void* busy_ = nullptr;
  std::uint64_t connection_ = 0;
  bool control_ = false;
  bool failed_ = false;
};

/// A connection that is being opened, remembered before the plugin hears of it: what cannot be remembered is not
/// opened.
class Opening {
 public:
  Opening(const void* self, std::uint64_t connection) : self_(self), connection_(connection) {
    if (Call::thorough()) {
      added_ = connections().add(self, connection);
      if (!added_) broken("(connection)", "lectern_transport.open", "is about a connection that is open already");
    }
  }
  ~Opening() {
    if (added_ && !opened_) connections().remove(self_, connection_);
  }
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;
  void opened() { opened_ = true; }

 private:
  const void* self_;
  std::uint64_t connection_;
  bool added_ = false, opened_ = false;
};

/// The author's object behind `self`.
template <class T>
T& value(void* self) {
  return static_cast<Object<T>*>(self)->value;
}
template <class T>
const T& value(const void* self) {
  return static_cast<const Object<T>*>(self)->value;
}

/// create of a kind: makes an Object<T>.
template <class T, class... Args>
lectern_status make(Call& call, void** self, Args&&... args) noexcept {
  return call.pointer(static_cast<const void*>(self), "place for the object").run([&] {
    auto made = std::make_unique<Object<T>>(std::forward<Args>(args)...);
    if (Call::thorough()) objects().add(made.get());
    *self = made.release();
  });
}
/// destroy of a kind.
template <class T>
void unmake(std::string_view where, void* self) noexcept {
  Call call(where);
  call.object(self);
  if (call.failed()) return;
  auto* object = static_cast<Object<T>*>(self);
  if (Call::watched() && object->inside.load() != 0) {
    broken("(object)", where, "was called while another call on the object was running");
  }
  if (Call::thorough()) objects().remove(self);
  std::unique_ptr<Object<T>>(object).reset();
}

}  // namespace lectern::sdk::detail
