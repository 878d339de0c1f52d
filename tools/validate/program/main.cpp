// lectern-validate: tells an author what a plugin does wrong, and how to mend it.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <regex>

#include "base/json.hpp"
#include "base/log.hpp"
#include "lectern/abi/base.h"
#include "output.hpp"
#include "runner.hpp"
#include "subject.hpp"

namespace lectern::validate {
namespace {

namespace fs = std::filesystem;

/// Removed at the end, whatever happened inside.
class WorkFolder {
 public:
  WorkFolder() {
    std::string name = (fs::temp_directory_path() / "lectern-validate-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~WorkFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] fs::path fresh(const std::string& name) const {
    fs::path made = path_ / name;
    fs::create_directories(made);
    return made;
  }

 private:
  fs::path path_;
};

std::vector<const Test*> chosen(const Options& options, const Subject& subject) {
  std::vector<const Test*> out;
  const std::regex include(options.include), exclude(options.exclude);
  for (const Test& test : all_tests()) {
    const bool is_fuzz = test.id.starts_with("fuzz.");
    if (is_fuzz != options.fuzz) continue;
    // The others look at the library itself, or call it past the host's adapters.
    if (options.proxy && !test.kind) continue;
    if (test.kind && (!subject.manifest || subject.manifest->kind != *test.kind)) continue;
    if (!options.include.empty() && !std::regex_search(test.id, include)) continue;
    if (!options.exclude.empty() && std::regex_search(test.id, exclude)) continue;
    out.push_back(&test);
  }
  return out;
}

int usage_error(const Error& error) {
  std::cerr << "lectern-validate: " << error.message << "\n";
  if (!error.hint.empty()) std::cerr << "  " << error.hint << "\n";
  return 2;
}

int list(const std::vector<const Test*>& tests, bool as_json) {
  if (!as_json) {
    for (const Test* test : tests) std::cout << test->id << "  " << test->about << "\n";
    return 0;
  }
  std::string out;
  json::Writer to(out);
  to.begin_array();
  for (const Test* test : tests) to.begin_object().member("id", test->id).member("about", test->about).end_object();
  to.end_array();
  std::cout << out << "\n";
  return 0;
}

TestRun skipped(const Test& test) {
  TestRun run;
  run.test = &test;
  run.verdict.outcome = Outcome::skipped;
  run.verdict.notes.emplace_back("the plugin cannot be loaded: mend what load.host says first");
  return run;
}

TestRun run_one(const Test& test, const Subject& subject, const Options& options, const WorkFolder& work) {
  const auto folder = work.fresh(test.id);
  if (!options.in_process) return run_in_child(test, options, folder);
  TestRun run;
  run.test = &test;
  const auto started = std::chrono::steady_clock::now();
  run.verdict = run_here(test, subject, options, folder);
  run.ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  return run;
}

/// Whether a host can load it at all decides if the tests that call it make sense.
bool loadable(const std::vector<TestRun>& runs, const Subject& subject, const Options& options,
              const WorkFolder& work) {
  for (const auto& run : runs) {
    if (run.test->id == "load.host") return all_well({run});
  }
  for (const Test& test : all_tests()) {
    if (test.id == "load.host") return all_well({run_one(test, subject, options, work)});
  }
  return true;
}

int run_all(const std::vector<const Test*>& tests, const Subject& subject, const Options& options) {
  const WorkFolder work;
  if (work.path().empty()) return usage_error({500, "internal", "no temporary folder can be made", "Set TMPDIR.", {}});
  const auto started = std::chrono::steady_clock::now();
  std::vector<TestRun> runs;
  std::optional<bool> loads;
  for (const Test* test : tests) {
    if (test->loads && !loads) loads = loadable(runs, subject, options, work);
    runs.push_back(test->loads && !*loads ? skipped(*test) : run_one(*test, subject, options, work));
    if (!options.json) std::cout << in_words(runs.back()) << std::flush;
  }
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  if (options.json) {
    std::cout << as_json(subject, options, runs, ms) << "\n";
  } else {
    std::cout << summary(runs) << " in " << ms << " ms\n";
  }
  return all_well(runs) ? 0 : 1;
}

int run(int argc, const char* const* argv) {
  const auto options = parse_options(argc, argv);
  if (!options) return usage_error(options.error());
  if (options->help) {
    std::cout << usage();
    return 0;
  }
  if (options->version) {
    std::cout << "lectern-validate " LECTERN_SDK_VERSION "\n";
    return 0;
  }
  log::set_level(log::Level::error);
  const auto subject = find_subject(options->plugin);
  if (!subject) return usage_error(subject.error());
  if (!options->run_test.empty()) {
    for (const Test& test : all_tests()) {
      if (test.id == options->run_test) return run_as_child(test, *subject, *options);
    }
    return usage_error({400, "usage", "there is no test " + options->run_test, {}, {}});
  }
  const auto tests = chosen(*options, *subject);
  if (tests.empty()) return usage_error({400, "usage", "no test is left to run", "--list names them.", {}});
  return options->list ? list(tests, options->json) : run_all(tests, *subject, *options);
}

}  // namespace
}  // namespace lectern::validate

int main(int argc, char** argv) {
  try {
    return lectern::validate::run(argc, argv);
  } catch (const std::exception& problem) {
    std::cerr << "lectern-validate: " << problem.what() << "\n";
    return 1;
  }
}
