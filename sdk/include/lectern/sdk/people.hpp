// A setting that names people: "ada" is a label, "device:lab-3" a device, "principal:ada" whom the host authenticated.
//
//   People teachers(settings.texts("teachers"));
//   if (teachers.has(member)) ...
//
// Labels and devices are what a client says of itself. Where it matters who somebody is, name principals.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json.hpp"
#include "lectern/sdk/policy.hpp"

namespace lectern::sdk {

class People {
 public:
  People() = default;
  /// Throws a Failure for an empty name.
  explicit People(std::vector<std::string> names) : names_(std::move(names)) {
    for (const std::string& name : names_) {
      const std::string_view text = name;
      if (text.empty() || text == "device:" || text == "principal:" || text == "label:") {
        throw Failure(LECTERN_INVALID, "the settings name somebody by an empty text: " + quote(name),
                      "Write \"ada\", \"device:lab-3\", \"principal:ada\", or \"*\" for everybody.");
      }
    }
  }
  [[nodiscard]] bool empty() const { return names_.empty(); }
  [[nodiscard]] bool has(const Member& member) const {
    return std::any_of(names_.begin(), names_.end(), [&](const std::string& name) { return is(member, name); });
  }

 private:
  static bool is(const Member& member, std::string_view name) {
    if (name == "*") return true;
    if (name.starts_with("principal:")) return member.principal == name.substr(10);
    if (name.starts_with("device:")) return member.device == name.substr(7);
    if (name.starts_with("label:")) name.remove_prefix(6);
    return member.label == name;
  }
  std::vector<std::string> names_;
};

}  // namespace lectern::sdk
