// What happens in a room, in plain words. The sentences are what scenario files expect.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "plugin/policy.hpp"
#include "policy_lab/rehearsal.hpp"

namespace lectern::policy_lab {

class Names {
 public:
  void set(MemberId id, std::string name) { names_[id] = std::move(name); }
  /// "member 7" for somebody without a name; "nobody" for 0.
  [[nodiscard]] std::string of(MemberId id) const;
  /// The labels of a room; who shares a label is told apart by number.
  static Names of_room(const plugin::RoomSnapshot& room);

 private:
  std::map<MemberId, std::string> names_;
};

/// [any] "ada is asked by bob: May I have the pen?"
std::string sentence(const Fact& fact, const Names& names);
/// [any] The same with what a scenario need not say: epochs and deadlines.
std::string full_sentence(const Fact& fact, const Names& names, std::int64_t now_ms);
/// [any] "bob asks for the pen"
std::string sentence(const plugin::PolicyEvent& event, const Names& names, const plugin::RoomSnapshot& room);
/// [any] "grants bob the pen": one effect as the policy wrote it.
std::string sentence(const plugin::Effect& effect, const Names& names, const plugin::RoomSnapshot& room);
/// [any] "ada has the pen (epoch 3), bob interacts": who may do what.
std::string situation(const plugin::RoomSnapshot& room, const Names& names);
/// [any] True when `told` is what `expected` says, or says it in more words: "bob is refused" fits "bob is refused:
/// No."
bool fits(std::string_view expected, std::string_view told);

}  // namespace lectern::policy_lab
