#include "output.hpp"

#include <algorithm>
#include <sstream>

#include "base/json.hpp"
#include "lectern/abi/base.h"

namespace lectern::validate {

namespace {

std::string indented(const std::string& text, const std::string& by) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out += by + line + "\n";
  return out;
}

bool is_bad(Outcome outcome) {
  return outcome == Outcome::failed || outcome == Outcome::crashed || outcome == Outcome::timed_out;
}

}  // namespace

std::string in_words(const TestRun& run) {
  std::string out(outcome_name(run.verdict.outcome));
  out.resize(10, ' ');
  out += run.test->id;
  out += "  (" + std::to_string(run.ms) + " ms)\n";
  for (const auto& problem : run.verdict.problems) {
    out += indented(problem.what, "    ");
    if (!problem.fix.empty()) out += indented("fix: " + problem.fix, "    ");
  }
  for (const auto& note : run.verdict.notes) out += indented(note, "    ");
  if (!run.last_words.empty()) out += "    it wrote last:\n" + indented(run.last_words, "      ");
  return out;
}

std::string summary(const std::vector<TestRun>& runs) {
  std::string out;
  for (const Outcome outcome :
       {Outcome::success, Outcome::warning, Outcome::skipped, Outcome::failed, Outcome::crashed, Outcome::timed_out}) {
    const auto n =
        std::count_if(runs.begin(), runs.end(), [&](const TestRun& one) { return one.verdict.outcome == outcome; });
    if (n == 0) continue;
    if (!out.empty()) out += ", ";
    out += std::to_string(n) + " " + std::string(outcome_name(outcome));
  }
  return out;
}

bool all_well(const std::vector<TestRun>& runs) {
  return std::none_of(runs.begin(), runs.end(), [](const TestRun& one) { return is_bad(one.verdict.outcome); });
}

std::string as_json(const Subject& subject, const Options& options, const std::vector<TestRun>& runs, std::int64_t ms) {
  std::string out;
  json::Writer to(out);
  to.begin_object().member("validator", LECTERN_SDK_VERSION).member("library", subject.library.string());
  if (subject.manifest) {
    to.member("id", subject.manifest->id).member("kind", plugin::kind_name(subject.manifest->kind));
    to.member("version", subject.manifest->version);
  }
  to.member("seed", options.seed).member("ms", ms).member("ok", all_well(runs)).key("tests").begin_array();
  for (const auto& run : runs) {
    to.begin_object().member("id", run.test->id).member("about", run.test->about);
    to.member("outcome", outcome_name(run.verdict.outcome)).member("ms", run.ms).key("problems").begin_array();
    for (const auto& problem : run.verdict.problems) {
      to.begin_object().member("severity", problem.grave ? "error" : "warning");
      to.member("what", problem.what).member("fix", problem.fix).end_object();
    }
    to.end_array().key("notes").begin_array();
    for (const auto& note : run.verdict.notes) to.string(note);
    to.end_array();
    if (!run.last_words.empty()) to.member("output", run.last_words);
    to.end_object();
  }
  to.end_array().end_object();
  return out;
}

}  // namespace lectern::validate
