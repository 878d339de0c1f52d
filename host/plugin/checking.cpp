#include "plugin/checking.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"

namespace lectern::plugin {

namespace {

constexpr std::size_t most_kinds = 64;
constexpr std::size_t most_bytes = 400;

bool worth_a_line(std::uint64_t count) {
  while (count >= 10 && count % 10 == 0) count /= 10;
  return count == 1;
}

}  // namespace

std::optional<CheckLevel> check_level_from(std::string_view name) {
  for (std::size_t i = 0; i < check_level_names.size(); ++i) {
    if (check_level_names[i] == name) return static_cast<CheckLevel>(i);
  }
  return std::nullopt;
}

void Checker::broken(Side side, std::string_view tag, std::string_view where, std::string_view what) noexcept {
  if (!watches()) return;
  try {
    const Breach fresh{side, text::label(tag.substr(0, most_bytes), 64), text::label(where.substr(0, most_bytes), 128),
                       text::label(what.substr(0, most_bytes), most_bytes), 1};
    const std::uint64_t count = this->count(fresh);
    if (!worth_a_line(count)) return;
    const std::string who = side == Side::host ? "the host broke the contract" : "it broke the contract";
    log::warning("plugin " + id_, who + " " + fresh.tag + ": " + fresh.where + " " + fresh.what +
                                      (count > 1 ? " (" + std::to_string(count) + " times)" : ""));
  } catch (...) {  // out of memory for a report: the plugin's call must not fail for it
  }
}

/// How often it has been seen; 0 when there are too many kinds to tell.
std::uint64_t Checker::count(const Breach& fresh) {
  const std::scoped_lock lock(mutex_);
  totals_[fresh.side == Side::host ? 1 : 0] += fresh.count;
  const auto at = std::find_if(breaches_.begin(), breaches_.end(), [&](const Breach& one) {
    return one.side == fresh.side && one.tag == fresh.tag && one.where == fresh.where && one.what == fresh.what;
  });
  if (at != breaches_.end()) return at->count += fresh.count;
  if (breaches_.size() >= most_kinds) return 0;
  breaches_.push_back(fresh);
  return fresh.count;
}

void Checker::add(const Breach& breach) {
  if (!watches()) return;
  (void)count({breach.side, text::label(breach.tag, 64), text::label(breach.where, 128),
               text::label(breach.what, most_bytes), breach.count});
}

void Checker::check_utf8(std::string_view text, std::string_view where, std::string_view name) noexcept {
  if (!thorough() || text::valid_utf8(text)) return;
  try {
    broken(Side::plugin, "[call]", where, "handed over a " + std::string(name) + " that is not UTF-8");
  } catch (...) {  // as above
  }
}

std::vector<Breach> Checker::breaches() const {
  const std::scoped_lock lock(mutex_);
  return breaches_;
}

std::uint64_t Checker::total(Side side) const {
  const std::scoped_lock lock(mutex_);
  return totals_[side == Side::host ? 1 : 0];
}

void Lent::begin(const CheckerPtr& checker, void* target) {
  const std::scoped_lock lock(mutex_);
  checker_ = checker;
  thread_.store(std::this_thread::get_id());
  target_.store(target);
}

void Lent::end() {
  const std::scoped_lock lock(mutex_);
  target_.store(nullptr);
}

void* Lent::borrowed(void* ctx, const char* where) noexcept {
  if (ctx == nullptr) return nullptr;
  auto& lent = *static_cast<Lent*>(ctx);
  const bool own = lent.thread_.load() == std::this_thread::get_id();
  void* target = lent.target_.load();
  if (own && target != nullptr) return target;
  if (target == nullptr) {
    lent.refuse("[call]", where, "was called after the call it was lent to had returned");
  } else {
    lent.refuse("[call]", where, "was called on another thread than that of the call it was lent to");
  }
  return nullptr;
}

void Lent::refuse(std::string_view tag, const char* where, std::string_view what) noexcept {
  CheckerPtr checker;
  {
    const std::shared_lock lock(mutex_);
    checker = checker_;
  }
  if (checker != nullptr) checker->broken(Side::plugin, tag, where, what);
}

}  // namespace lectern::plugin
