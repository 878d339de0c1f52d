// The settings of a plugin: a JSON object whose keys are all asked for. What is left over is a spelling mistake.
//
//   Settings settings(config);
//   secondary_ = settings.choice("secondary", {"interactor", "viewer"}, "interactor");
//   settings.done();
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "lectern/sdk/json.hpp"

namespace lectern::sdk {

class Settings {
 public:
  /// Throws a Failure when `config` is not a JSON object. Empty text counts as {}.
  explicit Settings(std::string_view config) : root_(Json::parse(config.empty() ? std::string_view("{}") : config)) {
    if (root_.as_object() == nullptr) throw Failure(LECTERN_INVALID, "the settings must be a JSON object");
  }
  std::string text(std::string_view key, std::string_view fallback) {
    const Json* value = take(key);
    if (value == nullptr) return std::string(fallback);
    if (value->as_string() == nullptr) wrong(key, "a string");
    return *value->as_string();
  }
  bool flag(std::string_view key, bool fallback) {
    const Json* value = take(key);
    if (value == nullptr) return fallback;
    if (value->as_bool() == nullptr) wrong(key, "true or false");
    return *value->as_bool();
  }
  /// A whole number from `least` to `most`.
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t least, std::int64_t most) {
    const Json* value = take(key);
    if (value == nullptr) return fallback;
    const double* number = value->as_number();
    if (number == nullptr || *number < static_cast<double>(least) || *number > static_cast<double>(most) ||
        *number != static_cast<double>(static_cast<std::int64_t>(*number))) {
      wrong(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return static_cast<std::int64_t>(*number);
  }
  /// A list of texts; empty when absent.
  std::vector<std::string> texts(std::string_view key) {
    std::vector<std::string> out;
    const Json* value = take(key);
    if (value == nullptr) return out;
    if (value->as_array() == nullptr) wrong(key, "a list of strings");
    for (const Json& one : *value->as_array()) {
      if (one.as_string() == nullptr) wrong(key, "a list of strings");
      out.push_back(*one.as_string());
    }
    return out;
  }
  std::string choice(std::string_view key, std::initializer_list<std::string_view> allowed, std::string_view fallback) {
    std::string got = text(key, fallback);
    std::string list;
    for (const auto one : allowed) {
      if (one == got) return got;
      list += (list.empty() ? "" : ", ") + quote(one);
    }
    throw Failure(LECTERN_INVALID, "the setting " + quote(key) + " is " + quote(got),
                  "It can be one of: " + list + ".");
  }
  /// Throws a Failure that names a key nobody asked for, and the keys there are.
  void done() const {
    for (const auto& [key, value] : *root_.as_object()) {
      bool known = false;
      std::string list;
      for (const auto& one : asked_) {
        known = known || one == key;
        list += (list.empty() ? "" : ", ") + quote(one);
      }
      if (!known) {
        throw Failure(LECTERN_INVALID, "there is no setting " + quote(key),
                      list.empty() ? "It has no settings." : "The settings are: " + list + ".");
      }
    }
  }

 private:
  const Json* take(std::string_view key) {
    asked_.emplace_back(key);
    return root_.find(key);
  }
  [[noreturn]] static void wrong(std::string_view key, const std::string& expected) {
    throw Failure(LECTERN_INVALID, "the setting " + quote(key) + " must be " + expected);
  }
  Json root_;
  std::vector<std::string> asked_;
};

}  // namespace lectern::sdk
