#include "members.hpp"

#include <algorithm>

#include "scan.hpp"
#include "text.hpp"

namespace ipynb {
Members::Members(std::string_view object, const Style& style, std::string fallback_lead)
    : style_(style), lead_(std::move(fallback_lead)) {
  Scanner scanner(object, any_depth);
  std::size_t mark = 1;
  const auto space = [&] {
    const std::size_t begin = scanner.at();
    scanner.skip_space();
    return scanner.slice(begin);
  };
  scanner.go_to(mark);
  std::string_view before = space();
  while (scanner.peek() == '"') {
    Member member;
    member.before = before;
    mark = scanner.at();
    member.key = decoded(scanner.string());
    scanner.skip_space();
    scanner.go_to(scanner.at() + 1);
    scanner.skip_space();
    member.head = scanner.slice(mark);
    member.value = scanner.value();
    member.after = space();
    members_.push_back(std::move(member));
    if (scanner.peek() != ',') break;
    scanner.go_to(scanner.at() + 1);
    before = space();
  }
  if (members_.empty()) {
    empty_space_ = before;
    if (style_.pretty && lead_.size() >= style_.unit.size())
      closing_ = lead_.substr(0, lead_.size() - style_.unit.size());
  } else {
    lead_ = members_.front().before;
    closing_ = members_.back().after;
    members_.back().after = {};
  }
}

std::optional<std::string_view> Members::find(std::string_view key) const {
  const auto found = std::find_if(members_.rbegin(), members_.rend(), [&](const Member& m) { return m.key == key; });
  if (found == members_.rend()) return std::nullopt;
  return found->replaced ? std::string_view(found->new_value) : found->value;
}

void Members::set(std::string_view key, std::string value) {
  const auto found = std::find_if(members_.rbegin(), members_.rend(), [&](const Member& m) { return m.key == key; });
  if (found != members_.rend()) {
    found->new_value = std::move(value);
    found->replaced = true;
    return;
  }
  Member member;
  member.key = key;
  encode(key, style_.ascii, member.new_head);
  member.new_head += style_.colon;
  member.new_value = std::move(value);
  member.replaced = member.inserted = true;
  const auto place = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.key > key; });
  members_.insert(place, std::move(member));
}

void Members::remove(std::string_view key) {
  std::erase_if(members_, [&](const Member& m) { return m.key == key; });
}

void Members::render_member(const Member& member, std::string& out, bool with_value) const {
  if (member.inserted) {
    // In a compact object the gap belongs to what follows a comma only.
    if (style_.pretty || &member != &members_.front()) out += style_.pretty ? lead_ : style_.gap;
    out += member.new_head;
  } else {
    out += member.before;
    out += member.head;
  }
  if (!with_value) return;
  out += member.replaced ? std::string_view(member.new_value) : member.value;
  out += member.after;
}

void Members::render(std::string& out) const {
  out.push_back('{');
  for (const auto& member : members_) {
    if (&member != &members_.front()) out.push_back(',');
    render_member(member, out, true);
  }
  out += members_.empty() ? empty_space_ : std::string_view(closing_);
  out.push_back('}');
}

void Members::render_around(std::string_view key, std::string& before, std::string& after) const {
  const auto found = std::find_if(members_.rbegin(), members_.rend(), [&](const Member& m) { return m.key == key; });
  std::string* out = &before;
  out->push_back('{');
  for (const auto& member : members_) {
    if (&member != &members_.front()) out->push_back(',');
    const bool here = found != members_.rend() && &member == &*found;
    render_member(member, *out, !here);
    if (!here) continue;
    out = &after;
    *out += member.after;
  }
  *out += members_.empty() ? empty_space_ : std::string_view(closing_);
  out->push_back('}');
}

}  // namespace ipynb
