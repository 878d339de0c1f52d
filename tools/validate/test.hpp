// One check of a plugin: what it is called, how long it may take, and what it found.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"
#include "plugin/kind.hpp"
#include "plugin/manifest.hpp"

namespace lectern::validate {

enum class Outcome { success, warning, skipped, failed, crashed, timed_out };
/// [any] "success", ..., "timed out".
std::string_view outcome_name(Outcome outcome);
std::optional<Outcome> outcome_from(std::string_view name);

/// Something to mend. `fix` says how.
struct Problem {
  bool grave = true;  // false: a warning
  std::string what, fix;
};

struct Verdict {
  Outcome outcome = Outcome::success;
  std::vector<Problem> problems;
  std::vector<std::string> notes;  // facts worth knowing: figures, what was not looked at
};

/// Gathers what one test finds.
class Report {
 public:
  void fail(std::string what, std::string fix) { verdict_.problems.push_back({true, std::move(what), std::move(fix)}); }
  void warn(std::string what, std::string fix) {
    verdict_.problems.push_back({false, std::move(what), std::move(fix)});
  }
  void note(std::string text) { verdict_.notes.push_back(std::move(text)); }
  /// The test does not apply; `reason` says why. What it found before still counts.
  void skip(std::string reason) {
    skipped_ = true;
    note(std::move(reason));
  }
  [[nodiscard]] bool failed() const;
  [[nodiscard]] Verdict verdict() const;

 private:
  Verdict verdict_;
  bool skipped_ = false;
};

/// The plugin that is looked at.
struct Subject {
  std::filesystem::path library;  // the .so
  std::filesystem::path manifest_path;
  std::optional<plugin::Manifest> manifest;
  Error manifest_error;  // when there is no manifest
};

/// What a test gets. `work` is an empty folder of its own, removed by the runner.
struct Context {
  const Subject& subject;
  const Options& options;
  std::filesystem::path work;
  /// The settings objects are made with: --config with {work} replaced by the path of a folder.
  [[nodiscard]] std::string config(std::string_view folder = "data") const;
};

struct Test {
  std::string id;                    // "static.exports"
  std::string about;                 // what it checks, one line
  int deadline_s = 30;               // 0: as long as --minutes says, and two more
  std::optional<plugin::Kind> kind;  // absent = every kind
  bool loads = true;                 // needs a plugin that load.host could load
  void (*run)(const Context& context, Report& report) = nullptr;
};

/// [any] Every test there is, in the order they run.
const std::vector<Test>& all_tests();

/// [control] Names what is being done, so that a crash or a hang can say where it happened. Cut at 4 KiB.
void doing(std::string_view what);

}  // namespace lectern::validate
