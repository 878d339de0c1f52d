#include "options.hpp"

#include <boost/program_options.hpp>
#include <regex>
#include <sstream>

namespace lectern::validate {

namespace {

namespace po = boost::program_options;

po::options_description described(Options& to, std::string& plugin, std::string& corpus, std::string& work,
                                  bool with_hidden) {
  po::options_description all("Options");
  auto add = all.add_options();
  add("help,h", po::bool_switch(&to.help), "this text");
  add("version", po::bool_switch(&to.version), "the version");
  add("json", po::bool_switch(&to.json), "one JSON object on standard output");
  add("list", po::bool_switch(&to.list), "only name the tests that would run");
  add("include", po::value(&to.include)->value_name("REGEX"), "only tests whose id matches");
  add("exclude", po::value(&to.exclude)->value_name("REGEX"), "not the tests whose id matches");
  add("config", po::value(&to.config)->value_name("JSON"), "settings for the plugin; {work} is a fresh folder");
  add("corpus", po::value(&corpus)->value_name("FOLDER"), "files for a format, besides the built-in ones");
  add("kernel", po::value(&to.kernel)->value_name("NAME"), "which kernel a runtime is tried with");
  add("quick", po::bool_switch(&to.quick), "less depth: for a build that runs it each time");
  add("proxy", po::bool_switch(&to.proxy),
      "the plugin in a process of its own: only the tests of what it does, through a proxy that serializes each call");
  add("fuzz", po::bool_switch(&to.fuzz), "random input until the time is over, instead of the tests");
  add("seed", po::value(&to.seed)->value_name("N"), "where randomness starts (default 1)");
  add("minutes", po::value(&to.minutes)->value_name("M"), "how long --fuzz runs (default 1); 0: that one seed");
  add("deadline", po::value(&to.deadline_s)->value_name("S"), "seconds that each test has, instead of its own");
  add("in-process", po::bool_switch(&to.in_process), "all tests in this process: for a debugger");
  if (with_hidden) {
    add("plugin", po::value(&plugin));
    add("run-test", po::value(&to.run_test));
    add("work", po::value(&work));
  }
  return all;
}

Status check_regex(std::string_view option, const std::string& text) {
  try {
    (void)std::regex(text);
    return {};
  } catch (const std::regex_error& problem) {
    return fail(400, "usage",
                "--" + std::string(option) + " \"" + text + "\" is no regular expression: " + problem.what());
  }
}

}  // namespace

std::string usage() {
  Options unused;
  std::string plugin, corpus, work;
  std::ostringstream out;
  out << "lectern-validate PLUGIN [options]\n\n"
         "Loads a plugin and tries what its interface promises, each test in a process of its own.\n"
         "PLUGIN is a library with its manifest beside it, the manifest, or the folder of both.\n\n"
      << described(unused, plugin, corpus, work, false)
      << "\nExit code: 0 no failure, 1 something failed, crashed or timed out, 2 wrong usage.\n";
  return out.str();
}

Result<Options> parse_options(int argc, const char* const* argv) {
  Options made;
  std::string plugin, corpus, work;
  try {
    const auto options = described(made, plugin, corpus, work, true);
    po::positional_options_description positional;
    positional.add("plugin", 1);
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv)
                  .options(options)
                  .positional(positional)
                  .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                  .run(),
              values);
    po::notify(values);
  } catch (const po::error& problem) {
    return fail(400, "usage", problem.what(), "lectern-validate --help");
  }
  made.plugin = plugin;
  made.corpus = corpus;
  made.work = work;
  if (made.help || made.version) return made;
  if (plugin.empty()) return fail(400, "usage", "no plugin is named", "lectern-validate --help");
  LECTERN_CHECK(check_regex("include", made.include));
  LECTERN_CHECK(check_regex("exclude", made.exclude));
  if (!corpus.empty() && !std::filesystem::is_directory(corpus))
    return fail(400, "usage", "--corpus " + corpus + " is no folder");
  if (made.minutes < 0 || made.minutes > 60 * 24 * 7)
    return fail(400, "usage", "--minutes must be between 0 and a week");
  if (made.deadline_s < 0 || made.deadline_s > 86'400)
    return fail(400, "usage", "--deadline must be between 1 and 86400; 0: that of each test");
  return made;
}

std::vector<std::string> to_arguments(const Options& options) {
  std::vector<std::string> out{options.plugin.string(), "--config=" + options.config,
                               "--seed=" + std::to_string(options.seed),
                               "--minutes=" + std::to_string(options.minutes)};
  if (!options.corpus.empty()) out.push_back("--corpus=" + options.corpus.string());
  if (!options.kernel.empty()) out.push_back("--kernel=" + options.kernel);
  if (options.quick) out.emplace_back("--quick");
  if (options.fuzz) out.emplace_back("--fuzz");
  if (options.proxy) out.emplace_back("--proxy");
  return out;
}

}  // namespace lectern::validate
