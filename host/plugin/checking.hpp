// The host's side of the checks (lectern/abi/ext/checks.h): who broke the contract, in words, with the thread tag or
// state that was broken. Private to plugin/, but for the level and the reports.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "lectern/abi/ext/checks.h"

namespace lectern::plugin {

/// off: breaches are survived but not told. minimal: what costs next to nothing. maximal: also what costs: every text's
/// encoding, and each reduce is run twice to see whether it is pure.
enum class CheckLevel : std::int32_t {
  off = LECTERN_CHECKS_OFF,
  minimal = LECTERN_CHECKS_MINIMAL,
  maximal = LECTERN_CHECKS_MAXIMAL
};
inline constexpr std::array<std::string_view, 3> check_level_names{"off", "minimal", "maximal"};
/// [any] Empty for a name that is no level.
std::optional<CheckLevel> check_level_from(std::string_view name);

enum class Side { plugin, host };

/// One way in which the contract was broken.
struct Breach {
  Side side = Side::plugin;
  std::string tag;    // "[referee]", "(initialised)"
  std::string where;  // "lectern_policy.reduce"
  std::string what;   // "was called after ..."
  std::uint64_t count = 0;
};

/// The breaches of one generation.
class Checker {
 public:
  Checker(std::string id, CheckLevel level) : id_(std::move(id)), level_(level) {}

  /// [any]
  [[nodiscard]] CheckLevel level() const { return level_; }
  [[nodiscard]] bool watches() const { return level_ != CheckLevel::off; }
  [[nodiscard]] bool thorough() const { return level_ == CheckLevel::maximal; }
  /// [any] Counts it, and logs it when it is the first of its kind or the tenth, hundredth, ...
  void broken(Side side, std::string_view tag, std::string_view where, std::string_view what) noexcept;
  /// [any] The same `breach.count` times, without a line: who saw it has written that.
  void add(const Breach& breach);
  /// [any] At maximal: `text` is UTF-8.
  void check_utf8(std::string_view text, std::string_view where, std::string_view name) noexcept;
  /// [any] In the order they were first seen; at most 64 kinds are kept.
  [[nodiscard]] std::vector<Breach> breaches() const;
  [[nodiscard]] std::uint64_t total(Side side) const;

 private:
  std::uint64_t count(const Breach& fresh);
  const std::string id_;
  const CheckLevel level_;
  mutable std::mutex mutex_;  // of what follows
  std::vector<Breach> breaches_;
  std::array<std::uint64_t, 2> totals_{};
};
using CheckerPtr = std::shared_ptr<Checker>;

/// What `ctx` of a struct that is lent to a plugin points to. It is never freed, so a plugin that kept the struct after
/// the loan ended is told so instead of writing over a dead stack.
class Lent {
 public:
  /// [any] The target of a sink that is bound to its call; null, and reported, when the call is over or this is another
  /// thread. `where` is a literal.
  static void* borrowed(void* ctx, const char* where) noexcept;
  /// [any] Runs `body(target)` for a struct that any thread may use until the loan ends; false, and reported, after
  /// that.
  template <class Body>
  static bool shared(void* ctx, const char* where, Body&& body) noexcept {
    if (ctx == nullptr) return false;
    auto& lent = *static_cast<Lent*>(ctx);
    {
      const std::shared_lock lock(lent.mutex_);
      if (void* target = lent.target_.load()) {
        body(target);
        return true;
      }
    }
    lent.refuse("(object)", where, "was called after the object was destroyed");
    return false;
  }

  void begin(const CheckerPtr& checker, void* target);
  /// Returns when no shared() body runs any more.
  void end();

 private:
  void refuse(std::string_view tag, const char* where, std::string_view what) noexcept;
  std::atomic<void*> target_{nullptr};
  std::atomic<std::thread::id> thread_{};
  std::shared_mutex mutex_;  // of checker_, and held by shared()
  CheckerPtr checker_;
};

/// Lends one struct of sinks to a plugin, from its making to its end.
template <class Abi>
class Loan {
 public:
  /// `target` is what Lent gives to the callbacks in `abi`; its ctx is set here.
  Loan(const CheckerPtr& checker, void* target, Abi abi) : slot_(pool().take()) {
    slot_.begin(checker, target);
    abi.ctx = static_cast<Lent*>(&slot_);
    slot_.abi = abi;
  }
  ~Loan() {
    slot_.end();
    pool().give(slot_);
  }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  [[nodiscard]] const Abi* get() const { return &slot_.abi; }

 private:
  struct Slot : Lent {
    Abi abi{};
  };
  /// Slots that nobody uses, oldest first. A few hundred wait before one is used again, so that a late caller finds its
  /// own loan ended and not somebody else's begun.
  class Pool {
   public:
    Slot& take() {
      const std::scoped_lock lock(mutex_);
      if (free_.size() < 256) return *all_.emplace_back(std::make_unique<Slot>());
      Slot& slot = *free_.front();
      free_.pop_front();
      return slot;
    }
    void give(Slot& slot) {
      const std::scoped_lock lock(mutex_);
      free_.push_back(&slot);
    }

   private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Slot>> all_;
    std::deque<Slot*> free_;
  };
  static Pool& pool() {
    static Pool& one = *std::make_unique<Pool>().release();  // plugins may outlive static destruction
    return one;
  }
  Slot& slot_;
};

}  // namespace lectern::plugin
