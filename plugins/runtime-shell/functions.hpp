// The functions that cells defined, as text: not every /bin/sh can list its own, and a shell that was ended by `exit`
// takes them with it. Found are definitions that begin at the start of a line and end by a brace at the start of one,
// or on the same line: what people write.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace shell {

class Functions {
 public:
  /// Takes what `code` defines; later ones replace earlier ones of the name.
  void learn(std::string_view code);
  void clear() { texts_.clear(); }
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& all() const { return texts_; }
  /// All of them, ready to be sourced.
  template <class Accept>
  [[nodiscard]] std::string text(Accept&& accept) const {
    std::string out;
    for (const auto& [name, text] : texts_) {
      if (accept(text)) out += text;
    }
    return out;
  }

 private:
  std::map<std::string, std::string, std::less<>> texts_;
};

/// [any] Letters, digits and underscores, no digit first.
bool is_name(std::string_view text);

}  // namespace shell
