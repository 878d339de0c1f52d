// One line of a sheet: `name = 2 * (other + 1)`, or the same without a name.
#pragma once

#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

struct Line {
  std::string name;  // empty: it gives none
  std::string_view expression;
};

struct Wrong : std::runtime_error {
  using runtime_error::runtime_error;
};

Line split(std::string_view line);

/// `value_of` is asked for each name. Throws Wrong, and what `value_of` throws.
double evaluate(std::string_view expression, const std::function<double(const std::string&)>& value_of);

/// The names in it, wherever they stand.
std::set<std::string> names_in(std::string_view expression);
