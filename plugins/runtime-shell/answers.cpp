#include "answers.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "functions.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "utf8.hpp"

namespace shell {
namespace fs = std::filesystem;
namespace json = lectern::sdk::json;
namespace {

constexpr std::size_t most_matches = 500;
constexpr std::string_view word_ends = " \t\n;|&()<>\"'`=$";
constexpr std::string_view builtins[] = {
    ".",    "alias", "bg",   "break", "case",   "cd",     "command", "continue", "do",     "done",  "echo",    "elif",
    "else", "esac",  "eval", "exec",  "exit",   "export", "false",   "fg",       "fi",     "for",   "getopts", "hash",
    "if",   "jobs",  "kill", "local", "printf", "pwd",    "read",    "readonly", "return", "set",   "shift",   "test",
    "then", "times", "trap", "true",  "type",   "ulimit", "umask",   "unalias",  "unset",  "until", "wait",    "while"};

/// Byte offset of a code point, as far as the text goes.
std::size_t byte_of(std::string_view text, std::size_t point) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (point-- == 0) break;
  }
  return at;
}

std::size_t points_in(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

struct Place {
  std::string code, word;
  std::size_t from = 0;  // of the word, in bytes
  bool command = false;  // the word is where a command's name stands
  bool variable = false;
};

Place place_of(std::string_view content, bool whole_word) {
  Place place;
  place.code = json::text(json::member(content, "code"));
  const auto asked = json::integer(json::member(content, "cursor_pos"));
  auto at = asked && *asked >= 0 ? byte_of(place.code, static_cast<std::size_t>(*asked)) : place.code.size();
  const auto ends = [&](std::size_t i) { return word_ends.find(place.code[i]) != std::string_view::npos; };
  while (whole_word && at < place.code.size() && !ends(at)) ++at;
  place.from = at;
  while (place.from > 0 && !ends(place.from - 1)) --place.from;
  if (place.from > 0 && place.code[place.from - 1] == '$') place.variable = true;
  if (place.from < at && place.code[place.from] == '{' && place.from > 0 && place.code[place.from - 1] == '$') {
    ++place.from;
  }
  place.word = place.code.substr(place.from, at - place.from);
  auto before = place.from;
  while (before > 0 && (place.code[before - 1] == ' ' || place.code[before - 1] == '\t')) --before;
  if (before == 0 || std::string_view("\n;|&(`{").find(place.code[before - 1]) != std::string_view::npos) {
    place.command = !place.variable;
  }
  for (const std::string_view word :
       {"then", "do", "else", "elif", "if", "while", "until", "command", "exec", "time"}) {
    const auto text = std::string_view(place.code).substr(0, before);
    if (!place.variable && text.ends_with(word) && before < place.from) place.command = true;
  }
  return place;
}

/// How far one value goes: to the end of a line that is in no quotes.
std::size_t value_size(std::string_view text) {
  char quote = '\0';
  bool escapes = true;  // '…' has none, $'…' has
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\' && escapes) {
      ++at;
    } else if (quote != '\0') {
      if (c != quote) continue;
      quote = '\0';
      escapes = true;
    } else if (c == '\n') {
      return at;
    } else if (c == '\'' || c == '"') {
      quote = c;
      escapes = c == '"' || (at > 0 && text[at - 1] == '$');
    }
  }
  return text.size();
}

/// Of `set`. A value in quotes goes on over lines, and what looks like a name in there is none.
std::vector<std::pair<std::string, std::string>> variables_of(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    const auto equals = line.find('=');
    const bool named = equals != std::string_view::npos && is_name(line.substr(0, equals));
    if (named) line = text.substr(0, equals + 1 + value_size(text.substr(equals + 1)));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!named) continue;
    auto value = line.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '\'' && value.back() == '\'') value = value.substr(1, value.size() - 2);
    out.emplace_back(std::string(line.substr(0, equals)), std::string(value));
  }
  return out;
}

std::string folder_of(const Facts& facts) {
  std::error_code problem;
  if (facts.process > 0) {
    const auto link = fs::read_symlink("/proc/" + std::to_string(facts.process) + "/cwd", problem);
    if (!problem) return link.string();
  }
  return facts.cwd.empty() ? fs::current_path(problem).string() : facts.cwd;
}

std::vector<std::string> path_of(const Facts& facts) {
  std::string path;
  for (const auto& [name, value] : variables_of(facts.variables)) {
    if (name == "PATH") path = value;
  }
  if (path.empty() && std::getenv("PATH") != nullptr) path = std::getenv("PATH");
  std::vector<std::string> out;
  for (std::size_t from = 0; from <= path.size();) {
    const auto to = std::min(path.find(':', from), path.size());
    if (to > from) out.push_back(path.substr(from, to - from));
    from = to + 1;
  }
  return out;
}

void add_files(const std::string& word, const std::string& folder, bool runnable_only, std::set<std::string>& out) {
  const auto slash = word.rfind('/');
  const auto given = slash == std::string::npos ? std::string() : word.substr(0, slash + 1);
  const auto start = word.substr(given.size());
  std::error_code problem;
  fs::path looked = given.empty() ? fs::path(folder) : fs::path(given);
  if (given.starts_with("~/") && std::getenv("HOME") != nullptr)
    looked = fs::path(std::getenv("HOME")) / given.substr(2);
  if (looked.is_relative()) looked = fs::path(folder) / looked;
  for (fs::directory_iterator it(looked, problem), end; !problem && it != end; it.increment(problem)) {
    const auto name = it->path().filename().string();
    if (!name.starts_with(start) || (start.empty() && name.starts_with("."))) continue;
    std::error_code ignored;
    const bool is_folder = it->is_directory(ignored);
    if (runnable_only && !is_folder && ::access(it->path().c_str(), X_OK) != 0) continue;
    std::string text;
    for (const char c : name) {
      if (word_ends.find(c) != std::string_view::npos || c == '\\' || c == '*' || c == '?') text += '\\';
      text += c;
    }
    out.insert(given + text + (is_folder ? "/" : ""));
    if (out.size() >= most_matches) return;
  }
}

void add_commands(const std::string& word, const Facts& facts, std::set<std::string>& out) {
  for (const auto name : builtins) {
    if (name.starts_with(word)) out.insert(std::string(name));
  }
  for (const auto& [name, text] : facts.functions) {
    if (name.starts_with(word)) out.insert(name);
  }
  for (const auto& folder : path_of(facts)) {
    std::error_code problem;
    for (fs::directory_iterator it(folder, problem), end; !problem && it != end; it.increment(problem)) {
      const auto name = it->path().filename().string();
      if (name.starts_with(word) && ::access(it->path().c_str(), X_OK) == 0) out.insert(name);
      if (out.size() >= most_matches) return;
    }
  }
}

/// Text of any bytes as a JSON string.
std::string as_json(std::string_view bytes) {
  Utf8 text;
  auto out = text.take(bytes);
  out += text.finish();
  return json::quoted(out);
}

std::optional<std::string> described(const Place& place, const Facts& facts) {
  const auto& word = place.word;
  if (place.variable) {
    for (const auto& [name, value] : variables_of(facts.variables)) {
      if (name != word) continue;
      // Who may only read asks this too, and what the host was started with holds secrets.
      if (std::getenv(name.c_str()) != nullptr) return name + " is a variable of the environment";
      return std::string(name).append("=").append(value);
    }
    return std::nullopt;
  }
  if (const auto it = facts.functions.find(word); it != facts.functions.end()) {
    return word + " is a function\n" + it->second;
  }
  if (std::find(std::begin(builtins), std::end(builtins), word) != std::end(builtins)) {
    return word + " is a word of the shell itself";
  }
  if (word.find('/') == std::string::npos) {
    for (const auto& folder : path_of(facts)) {
      const auto candidate = std::string(folder).append("/").append(word);
      struct stat about {};
      if (::stat(candidate.c_str(), &about) == 0 && S_ISREG(about.st_mode) && ::access(candidate.c_str(), X_OK) == 0) {
        return std::string(word).append(" is ").append(candidate);
      }
    }
  }
  fs::path file = word;
  if (file.is_relative()) file = fs::path(folder_of(facts)) / file;
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return std::nullopt;
  const auto kind =
      S_ISDIR(about.st_mode) ? std::string("a folder") : "a file of " + std::to_string(about.st_size) + " bytes";
  return file.lexically_normal().string() + " is " + kind;
}

}  // namespace

std::string complete(std::string_view content, const Facts& facts) {
  const auto place = place_of(content, false);
  std::set<std::string> matches;
  if (place.variable) {
    for (const auto& [name, value] : variables_of(facts.variables)) {
      if (name.starts_with(place.word)) matches.insert(name);
    }
  } else if (place.command && place.word.find('/') == std::string::npos) {
    if (!place.word.empty()) add_commands(place.word, facts, matches);
  } else {
    add_files(place.word, folder_of(facts), place.command, matches);
  }
  std::string list;
  for (const auto& match : matches) list += (list.empty() ? "" : ",") + as_json(match);
  const auto start = points_in(std::string_view(place.code).substr(0, place.from));
  return R"({"status":"ok","matches":[)" + list + R"(],"cursor_start":)" + std::to_string(start) + R"(,"cursor_end":)" +
         std::to_string(start + points_in(place.word)) + R"(,"metadata":{}})";
}

std::string inspect(std::string_view content, const Facts& facts) {
  const auto place = place_of(content, true);
  const auto text = place.word.empty() ? std::nullopt : described(place, facts);
  if (!text) return R"({"status":"ok","found":false,"data":{},"metadata":{}})";
  return R"({"status":"ok","found":true,"data":{"text/plain":)" + as_json(*text) + R"(},"metadata":{}})";
}

std::string history_reply(const std::vector<std::string>& cells) {
  std::string list;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    list += (i == 0 ? "[0," : ",[0,") + std::to_string(i + 1) + "," + json::quoted(cells[i]) + "]";
  }
  return R"({"status":"ok","history":[)" + list + "]}";
}

}  // namespace shell
