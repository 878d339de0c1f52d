// A list of members that a policy keeps in its state, in order: who waits, who raised a hand. Its text is JSON, so that
// recordings can be read.
//
//   MemberList line(state, room);          // who has left meanwhile is no longer in it
//   line.add(event.who);
//   if (line.changed()) out.state(line.text());
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lectern/sdk/json.hpp"
#include "lectern/sdk/policy.hpp"

namespace lectern::sdk {

class MemberList {
 public:
  /// Empty text is an empty list. Whoever is not in the room is left out. Throws a Failure for text that text() did not
  /// make.
  MemberList(std::string_view state, const Room& room) : before_(state) {
    if (state.empty()) return;
    const Json root = Json::parse(state);
    const Json::Array* ids = root.as_array();
    if (ids == nullptr) throw Failure(LECTERN_INVALID, "the state is not a list of members");
    for (const Json& one : *ids) {
      const double* number = one.as_number();
      if (number == nullptr) throw Failure(LECTERN_INVALID, "the state names a member by something else than a number");
      const auto id = static_cast<std::uint64_t>(*number);
      if (room.member(id) != nullptr) ids_.push_back(id);
    }
  }
  [[nodiscard]] const std::vector<std::uint64_t>& ids() const { return ids_; }
  [[nodiscard]] bool empty() const { return ids_.empty(); }
  [[nodiscard]] bool has(std::uint64_t id) const { return std::find(ids_.begin(), ids_.end(), id) != ids_.end(); }
  /// Who is in it already keeps its place. Returns the place, from 1.
  std::size_t add(std::uint64_t id) {
    if (!has(id)) ids_.push_back(id);
    return static_cast<std::size_t>(std::find(ids_.begin(), ids_.end(), id) - ids_.begin()) + 1;
  }
  void remove(std::uint64_t id) { std::erase(ids_, id); }
  template <class Unwanted>
  void remove_if(Unwanted unwanted) {
    std::erase_if(ids_, unwanted);
  }
  /// Null when nobody in it fits.
  template <class Fits>
  [[nodiscard]] const Member* first(const Room& room, Fits fits) const {
    for (const std::uint64_t id : ids_) {
      const Member* member = room.member(id);
      if (member != nullptr && fits(*member)) return member;
    }
    return nullptr;
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (const std::uint64_t id : ids_) out += (out.empty() ? "" : ",") + std::to_string(id);
    return "[" + out + "]";
  }
  /// Differs from the state it was made of.
  [[nodiscard]] bool changed() const { return text() != (before_.empty() ? std::string_view("[]") : before_); }
  /// The labels as a JSON array, cut where it would get too long to be shown.
  [[nodiscard]] std::string labels_json(const Room& room) const {
    static constexpr std::size_t longest = 3000;  // an effect's text has 4096 bytes
    std::string out;
    for (const std::uint64_t id : ids_) {
      const Member* member = room.member(id);
      const std::string label = quote(member == nullptr ? std::string_view() : member->label);
      if (out.size() + label.size() > longest) break;
      out += (out.empty() ? "" : ",") + label;
    }
    return "[" + out + "]";
  }

 private:
  std::string_view before_;
  std::vector<std::uint64_t> ids_;
};

/// `member` gets the pen: by its open request where it has one, so that it ends with it, else by a grant.
inline void hand_over(const Room& room, const Member& member, std::uint32_t former_caps, Outcome& out) {
  bool asked = false;
  for (const Request& request : room.requests) {
    if (request.from != member.id) continue;
    if (std::exchange(asked, true)) {
      out.deny(request.id, "You got the pen by another request.");
    } else {
      out.allow(request.id, former_caps);
    }
  }
  if (!asked && !member.holds_grant()) out.grant(member.id, former_caps);
}
/// Ends every open request of `from`.
inline void deny_all(const Room& room, std::uint64_t from, std::string_view why, Outcome& out) {
  for (const Request& request : room.requests) {
    if (request.from == from) out.deny(request.id, std::string(why));
  }
}

}  // namespace lectern::sdk
