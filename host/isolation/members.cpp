#include "isolation/members.hpp"

#include <cstring>
#include <string_view>
#include <utility>

namespace lectern::isolation {

namespace {

enum class Step : std::uint8_t { end = 0, keep, drop, put };

// Everything before the texts is numbers without gaps between them.
constexpr std::size_t numbers_size = offsetof(lectern_member, principal);
static_assert(numbers_size == 2 * sizeof(std::uint64_t) + 4 * sizeof(std::uint32_t) + 5 * sizeof(std::int64_t));

std::string_view view(lectern_str text) {
  return text.n == 0 || text.p == nullptr ? std::string_view()
                                          : std::string_view(text.p, static_cast<std::size_t>(text.n));
}

bool same(const KnownMember& known, const lectern_member& now) {
  return std::memcmp(&known.numbers, &now, numbers_size) == 0 && known.principal == view(now.principal) &&
         known.label == view(now.label) && known.device == view(now.device);
}

std::unique_ptr<KnownMember> copy(const lectern_member& from) {
  auto made = std::make_unique<KnownMember>();
  std::memcpy(&made->numbers, &from, numbers_size);
  made->principal = view(from.principal);
  made->label = view(from.label);
  made->device = view(from.device);
  return made;
}

/// Steps of one kind in a row are one.
class Steps {
 public:
  explicit Steps(Packer& to) : to_(to) {}
  void keep() { count(Step::keep); }
  void drop() { count(Step::drop); }
  void put(const KnownMember& one) {
    flush();
    to_.number(Step::put);
    to_.bytes().append(reinterpret_cast<const char*>(&one.numbers), numbers_size);
    for (const std::string_view text :
         {std::string_view(one.principal), std::string_view(one.label), std::string_view(one.device)})
      to_.text(text);
  }
  void end() {
    flush();
    to_.number(Step::end);
  }

 private:
  void count(Step step) {
    if (step != step_) flush();
    step_ = step;
    ++n_;
  }
  void flush() {
    if (n_ == 0) return;
    to_.number(step_);
    to_.number(std::exchange(n_, 0u));
  }
  Packer& to_;
  Step step_ = Step::end;
  std::uint32_t n_ = 0;
};

}  // namespace

void pack_members(Packer& to, const lectern_room& room, KnownMembers& known) {
  KnownMembers next;
  next.reserve(room.n_members);
  Steps steps(to);
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < room.n_members; ++i) {
    const lectern_member& now = room.members[i];
    for (; at < known.size() && known[at]->numbers.id < now.id; ++at) steps.drop();
    if (at < known.size() && same(*known[at], now)) {
      steps.keep();
      next.push_back(std::move(known[at++]));
      continue;
    }
    if (at < known.size() && known[at]->numbers.id == now.id) {
      steps.drop();
      ++at;
    }
    next.push_back(copy(now));
    steps.put(*next.back());
  }
  for (; at < known.size(); ++at) steps.drop();
  steps.end();
  known = std::move(next);
}

bool take_members(Unpacker& from, KnownMembers& known) {
  KnownMembers next;
  next.reserve(known.size() + 1);
  std::size_t at = 0;
  for (;;) {
    const auto step = from.number<Step>();
    if (!from.ok()) return false;
    if (step == Step::end) break;
    if (step == Step::put) {
      auto made = std::make_unique<KnownMember>();
      from.bytes(&made->numbers, numbers_size);
      for (std::string* text : {&made->principal, &made->label, &made->device}) *text = from.text();
      next.push_back(std::move(made));
      continue;
    }
    const auto n = from.number<std::uint32_t>();
    if (!from.ok() || (step != Step::keep && step != Step::drop) || n > known.size() - at) return false;
    for (std::uint32_t i = 0; i < n; ++i, ++at) {
      if (step == Step::keep) next.push_back(std::move(known[at]));
    }
  }
  if (at != known.size()) return false;
  known = std::move(next);
  return true;
}

void flatten(const KnownMembers& known, std::vector<lectern_member>& to) {
  to.clear();
  to.reserve(known.size());
  for (const auto& one : known) {
    lectern_member member = one->numbers;
    member.principal = {one->principal.data(), one->principal.size()};
    member.label = {one->label.data(), one->label.size()};
    member.device = {one->device.data(), one->device.size()};
    to.push_back(member);
  }
}

}  // namespace lectern::isolation
