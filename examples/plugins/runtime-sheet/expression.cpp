#include "expression.hpp"

#include <charconv>

namespace {

constexpr int deepest = 100;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view name_at(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && (begins_name(text[n]) || (n > 0 && is_digit(text[n])))) ++n;
  return text.substr(0, n);
}

class Reader {
 public:
  Reader(std::string_view rest, const std::function<double(const std::string&)>& value_of)
      : rest_(rest), value_of_(value_of) {}

  double all() {
    const double value = sum();
    if (!rest_.empty()) throw Wrong("what is \"" + std::string(rest_.substr(0, 20)) + "\"?");
    return value;
  }

 private:
  char next() {
    rest_ = trimmed(rest_);
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool takes(char wanted) {
    if (next() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  double sum() {
    double value = product();
    for (;;) {
      if (takes('+'))
        value += product();
      else if (takes('-'))
        value -= product();
      else
        return value;
    }
  }
  double product() {
    double value = factor();
    for (;;) {
      if (takes('*'))
        value *= factor();
      else if (takes('/'))
        value /= factor();
      else
        return value;
    }
  }
  double factor() {
    if (++depth_ > deepest) throw Wrong("it is nested too deeply");
    const double value = bare();
    --depth_;
    return value;
  }
  double bare() {
    if (takes('-')) return -factor();
    if (takes('(')) {
      const double value = sum();
      if (!takes(')')) throw Wrong("a ) is missing");
      return value;
    }
    if (begins_name(next())) {
      const std::string name(name_at(rest_));
      rest_.remove_prefix(name.size());
      return value_of_(name);
    }
    double value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc())
      throw Wrong(rest_.empty() ? "a number is missing" : "\"" + std::string(rest_.substr(0, 20)) + "\" is no number");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  std::string_view rest_;
  const std::function<double(const std::string&)>& value_of_;
  int depth_ = 0;
};

}  // namespace

Line split(std::string_view line) {
  const auto text = trimmed(line);
  const auto name = name_at(text);
  const auto rest = trimmed(text.substr(name.size()));
  if (name.empty() || rest.empty() || rest.front() != '=') return {{}, text};
  return {std::string(name), trimmed(rest.substr(1))};
}

double evaluate(std::string_view expression, const std::function<double(const std::string&)>& value_of) {
  return Reader(expression, value_of).all();
}

std::set<std::string> names_in(std::string_view expression) {
  std::set<std::string> out;
  while (!expression.empty()) {
    const auto name = name_at(expression);
    if (!name.empty()) out.emplace(name);
    expression.remove_prefix(name.empty() ? 1 : name.size());
  }
  return out;
}
