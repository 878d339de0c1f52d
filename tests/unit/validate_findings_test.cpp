// What lectern-validate, as a program, says to plugins that break the rules: the right test fails, in words that help.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "base/json.hpp"

namespace lectern::validate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::filesystem::path shipped = LECTERN_TEST_PLUGINS;
const std::filesystem::path bad = shipped / ".." / "plugins-bad";

struct Output {
  int code = -1;
  std::string text;
};

Output run(const std::string& arguments) {
  const std::string command = std::string(LECTERN_VALIDATE) + " " + arguments + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"),
                                                   [](FILE* file) { return file ? 0 : 1; });
  Output out;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
    out.text.append(buffer.data(), n);
  const int status = ::pclose(pipe.get());
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

/// What one test said.
struct Said {
  std::string outcome;
  std::string what;  // of all its problems
  std::string fixes;
};

Said said(const std::string& plugin, const std::string& test, const std::string& more = {}) {
  const std::string only = "'^" + test + "$'";
  const auto out = run((bad / plugin).string() + " --quick --json --include " + only + " " + more);
  const auto root = json::parse(out.text);
  EXPECT_TRUE(root) << out.text;
  Said found;
  if (!root || root->find("tests") == nullptr) return found;
  for (const auto& one : *root->find("tests")->as_array()) {
    EXPECT_EQ(*one.find("id")->as_string(), test);
    found.outcome = *one.find("outcome")->as_string();
    for (const auto& problem : *one.find("problems")->as_array()) {
      found.what += *problem.find("what")->as_string() + "\n";
      found.fixes += *problem.find("fix")->as_string() + "\n";
    }
  }
  const bool failed = found.outcome == "failed" || found.outcome == "crashed" || found.outcome == "timed out";
  EXPECT_EQ(out.code, failed ? 1 : 0) << out.text;
  return found;
}

struct Finding {
  const char* plugin;
  const char* test;
  const char* outcome;
  const char* what;
};

class Findings : public ::testing::TestWithParam<Finding> {};

TEST_P(Findings, AreFoundAndSayWhatToDo) {
  const Finding& expected = GetParam();
  const Said found = said(expected.plugin, expected.test);
  EXPECT_EQ(found.outcome, expected.outcome) << found.what;
  EXPECT_THAT(found.what, HasSubstr(expected.what));
  EXPECT_THAT(found.fixes, Not(HasSubstr("\n\n"))) << "every problem has a fix";
}

INSTANTIATE_TEST_SUITE_P(Static, Findings,
                         ::testing::Values(Finding{"no-symbol", "static.exports", "failed",
                                                   "does not export lectern_plugin_entry"},
                                           Finding{"leaky", "static.exports", "failed", "more symbols"},
                                           Finding{"leaky", "static.file", "warning", "SONAME"},
                                           Finding{"leaky", "static.undefined", "failed", "provided_by_nobody"},
                                           Finding{"leaky", "static.unloading", "failed", "unique to the process"},
                                           Finding{"sticky", "static.unloading", "failed", "thread_local"}));

INSTANTIATE_TEST_SUITE_P(Loading, Findings,
                         ::testing::Values(Finding{"wrong-id", "load.host", "failed", "calls itself \"somebody-else\""},
                                           Finding{"init-fails", "load.host", "failed", "the licence server is away"},
                                           Finding{"garbage", "load.unknown-ids", "failed",
                                                   "gives an interface for \"nonsense\""},
                                           Finding{"garbage", "load.entry", "failed", "version"},
                                           Finding{"throwing-policy", "load.unknown-ids", "failed",
                                                   "threw an exception across the plugin line"},
                                           Finding{"sticky", "load.unmapped", "failed", "still in memory"}));

INSTANTIATE_TEST_SUITE_P(Objects, Findings,
                         ::testing::Values(Finding{"rule-any-settings", "object.settings", "failed", "without a word"},
                                           Finding{"rule-remembers", "object.two", "failed", "not independent"},
                                           Finding{"rule-thread", "object.threads", "failed", "depends on the thread"},
                                           Finding{"deaf", "object.sinks", "failed", "says that all went well"},
                                           Finding{"deaf", "object.memory", "crashed",
                                                   "be made when allocation 1 fails"},
                                           Finding{"deaf", "object.longer-structs", "failed", "confuse it"},
                                           Finding{"throwing-runtime", "runtime.unknown", "failed",
                                                   "threw something that is no std::exception"}));

INSTANTIATE_TEST_SUITE_P(
    Policies, Findings,
    ::testing::Values(Finding{"rule-two-grants", "policy.model", "failed", "grants both Ann and Ben"},
                      Finding{"rule-stranger", "policy.model", "failed", "who is not in the room"},
                      Finding{"rule-absent", "policy.model", "failed", "who is absent"},
                      Finding{"rule-remembers", "policy.model", "failed", "other effects the second time"},
                      Finding{"rule-endless-ask", "policy.model", "failed", "never ends"},
                      Finding{"rule-ignores-answer", "policy.model", "failed", "nothing came of it"},
                      Finding{"rule-lost-pen", "policy.model", "failed", "nobody gets the pen any more"},
                      Finding{"rule-crashes", "policy.model", "crashed", "asks for the pen"},
                      Finding{"rule-forgets-swap", "policy.installed", "failed", "more than one editor"},
                      Finding{"throwing-policy", "policy.model", "failed", "thrown by throwing-policy"}));

INSTANTIATE_TEST_SUITE_P(
    Others, Findings,
    ::testing::Values(Finding{"careless-format", "format.round-trip", "failed", "is another file from byte"},
                      Finding{"careless-format", "format.probe", "failed", "that a picture is a notebook"},
                      Finding{"careless-transport", "transport.decode", "failed", "means different things"},
                      Finding{"careless-transport", "transport.encode", "failed", "differently the second time"},
                      Finding{"careless-presence", "presence.records", "failed", "instead of"}));

TEST(Validate, AFailingSequenceIsAsShortAsItCanBeAndInWords) {
  const Said found = said("rule-endless-ask", "policy.model");
  EXPECT_THAT(found.what, HasSubstr("1. Ann joins"));
  EXPECT_THAT(found.what, HasSubstr("joined Ann: Ann gets the pen"));
  EXPECT_THAT(found.what, HasSubstr("3. Ben asks for the pen"));
  EXPECT_THAT(found.what, HasSubstr("then nothing but time passes"));
  EXPECT_THAT(found.what, Not(HasSubstr("4. "))) << "three steps are enough";
}

TEST(Validate, ARandomFailureIsShortenedToo) {
  const Said found = said("rule-endless-ask", "policy.random", "--seed 42");
  EXPECT_EQ(found.outcome, "failed");
  EXPECT_THAT(found.what, Not(HasSubstr("  6. ")));
}

TEST(Validate, WhatHangsCostsItsTestTheDeadlineAndIsTold) {
  const Said found = said("hanging", "policy.declares", "--deadline 60");
  EXPECT_EQ(found.outcome, "success") << found.what;
  const Said hung = said("hanging", "policy.strange-events", "--deadline 8");
  EXPECT_EQ(hung.outcome, "timed out");
  EXPECT_THAT(hung.what, HasSubstr("no answer within 8 s, while it had to take event 1"));
}

TEST(Validate, FuzzNamesTheSeedThatFailed) {
  const auto out = run((bad / "rule-ignores-answer").string() + " --fuzz --minutes 0.2 --seed 7");
  EXPECT_EQ(out.code, 1) << out.text;
  EXPECT_THAT(out.text, HasSubstr("again: lectern-validate PLUGIN --fuzz --minutes 0 --seed "));
  const auto good = run((shipped / "collaborative").string() + " --fuzz --minutes 0 --seed 7");
  EXPECT_EQ(good.code, 0) << good.text;
  EXPECT_THAT(good.text, HasSubstr("1 seeds"));
}

TEST(Validate, WhatCannotBeLoadedIsSaidOnceAndTheRestIsSkipped) {
  const auto out = run((bad / "wrong-id").string() + " --quick");
  EXPECT_EQ(out.code, 1);
  EXPECT_THAT(out.text, HasSubstr("failed    load.host"));
  EXPECT_THAT(out.text, HasSubstr("skipped   policy.model"));
}

TEST(Validate, InOneProcessItFindsTheSame) {
  const Said found = said("rule-two-grants", "policy.model", "--in-process");
  EXPECT_EQ(found.outcome, "failed");
  EXPECT_THAT(found.what, HasSubstr("grants both"));
}

TEST(Validate, WrongUsageIsTwo) {
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("/nowhere/at/all.so").code, 2);
  EXPECT_EQ(run((shipped / "collaborative").string() + " --no-such-option").code, 2);
  EXPECT_EQ(run((shipped / "collaborative").string() + " --include '('").code, 2);
  EXPECT_EQ(run((shipped / "collaborative").string() + " --include nothing-is-called-so").code, 2);
  EXPECT_EQ(run("--help").code, 0);
  EXPECT_EQ(run("--version").code, 0);
}

TEST(Validate, ListNamesWhatWouldRun) {
  const auto policy = run((shipped / "collaborative").string() + " --list");
  EXPECT_EQ(policy.code, 0);
  EXPECT_THAT(policy.text, HasSubstr("policy.model"));
  EXPECT_THAT(policy.text, Not(HasSubstr("format.round-trip")));
  EXPECT_THAT(policy.text, Not(HasSubstr("fuzz.")));
  const auto listed = json::parse(run((shipped / "collaborative").string() + " --list --json --exclude policy").text);
  ASSERT_TRUE(listed);
  for (const auto& one : *listed->as_array()) EXPECT_THAT(*one.find("id")->as_string(), Not(HasSubstr("policy")));
}

}  // namespace
}  // namespace lectern::validate
