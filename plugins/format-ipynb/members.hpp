// Editing one JSON object in its text: members can be replaced, added and removed, and everything else stays byte for
// byte.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "style.hpp"

namespace ipynb {

class Members {
 public:
  /// `object` is valid JSON text of one object, without white space around it; it and `style` outlive this.
  Members(std::string_view object, const Style& style, std::string fallback_lead);

  /// The value's text; nothing when there is no such member. Of several the last counts, as in Python.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const;
  /// Replaces the value; a new member goes where it would be if the keys were sorted, as Jupyter sorts them.
  void set(std::string_view key, std::string value);
  void remove(std::string_view key);

  /// What stands before each key, for laying out values.
  [[nodiscard]] const std::string& lead() const { return lead_; }
  /// Appends the object.
  void render(std::string& out) const;
  /// The object in two parts, before and after the value of `key`, which must be there.
  void render_around(std::string_view key, std::string& before, std::string& after) const;

 private:
  struct Member {
    std::string_view before;  // white space before the key
    std::string key;          // decoded
    std::string_view head;    // quoted key, colon, white space
    std::string_view value;
    std::string_view after;  // white space behind the value
    std::string new_head, new_value;
    bool replaced = false, inserted = false;
  };
  void render_member(const Member& member, std::string& out, bool with_value) const;

  const Style& style_;
  std::vector<Member> members_;
  std::string_view empty_space_;  // inside an object without members
  std::string lead_;
  std::string closing_;  // white space before the closing brace
};

}  // namespace ipynb
