#include "test.hpp"

#include <algorithm>
#include <array>

namespace lectern::validate {

namespace {
constexpr std::array<std::string_view, 6> names{"success", "warning", "skipped", "failed", "crashed", "timed out"};
}

std::string_view outcome_name(Outcome outcome) {
  return names[static_cast<std::size_t>(outcome)];
}

std::optional<Outcome> outcome_from(std::string_view name) {
  const auto* const at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<Outcome>(at - names.begin());
}

bool Report::failed() const {
  return std::any_of(verdict_.problems.begin(), verdict_.problems.end(), [](const Problem& one) { return one.grave; });
}

Verdict Report::verdict() const {
  Verdict made = verdict_;
  if (failed()) {
    made.outcome = Outcome::failed;
  } else if (!made.problems.empty()) {
    made.outcome = Outcome::warning;
  } else {
    made.outcome = skipped_ ? Outcome::skipped : Outcome::success;
  }
  return made;
}

std::string Context::config(std::string_view folder) const {
  constexpr std::string_view mark = "{work}";
  if (options.config.find(mark) == std::string::npos) return options.config;
  const std::filesystem::path path = work / folder;
  std::filesystem::create_directories(path);
  // Whatever the umask: a plugin may rightly refuse a folder that others write to.
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::string made = options.config;
  for (auto at = made.find(mark); at != std::string::npos; at = made.find(mark, at)) {
    made.replace(at, mark.size(), path.string());
    at += path.string().size();
  }
  return made;
}

}  // namespace lectern::validate
