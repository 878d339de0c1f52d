#include "app/new_plugin.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <utility>

#include "app/paths.hpp"
#include "base/text.hpp"

namespace lectern::app {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t max_id = 64;  // as in manifests

const std::vector<std::string>& kinds() {
  static const std::vector<std::string> all = {"policy", "transport", "format", "presence", "runtime"};
  return all;
}

// Stricter than a manifest's id: the name is also that of a class and of a file.
Status check_id(const std::string& id) {
  const bool known = std::all_of(id.begin(), id.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!known || id.empty() || id.size() > max_id || id.front() < 'a' || id.back() == '-') {
    return fail(400, "bad_name", "'" + id + "' cannot be the name of a plugin",
                "lower-case letters, digits and dashes, a letter first, at most " + std::to_string(max_id) +
                    ", for example my-policy");
  }
  return {};
}

std::string snake_case(std::string id) {
  std::replace(id.begin(), id.end(), '-', '_');
  return id;
}

std::string camel_case(const std::string& id) {
  std::string out;
  bool start = true;
  for (const char c : id) {
    if (c != '-') out += start ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    start = c == '-';
  }
  return out;
}

std::string renamed(std::string text, const std::string& id) {
  const std::pair<std::string, std::string> names[] = {
      {"my-plugin", id}, {"my_plugin", snake_case(id)}, {"MyPlugin", camel_case(id)}};
  for (const auto& [from, to] : names) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

Result<fs::path> template_of(const NewPlugin& wanted) {
  if (std::find(kinds().begin(), kinds().end(), wanted.kind) == kinds().end()) {
    std::string all;
    for (const auto& kind : kinds()) all += (all.empty() ? "" : ", ") + kind;
    return fail(400, "unknown_kind",
                wanted.kind.empty() ? "--kind is missing" : "there is no kind of plugin called '" + wanted.kind + "'",
                "--kind is one of " + all);
  }
  if (wanted.lang != "c" && wanted.lang != "c++") {
    return fail(400, "unknown_lang", "there are no templates in '" + wanted.lang + "'", "--lang is c++ or c");
  }
  const auto root = wanted.templates.empty() ? default_templates_dir() : wanted.templates;
  std::error_code error;
  if (root.empty() || !fs::is_directory(root / "policy", error)) {
    return fail(404, "no_templates",
                root.empty() ? std::string("there are no templates beside this lectern")
                             : "there are no templates in '" + root.string() + "'",
                "install the SDK (cmake --install BUILD --component sdk --prefix the same as the host's), or name "
                "the folder with --templates DIR");
  }
  auto folder = root / (wanted.lang == "c" ? wanted.kind + "-c" : wanted.kind);
  if (!fs::is_directory(folder, error)) {
    return fail(400, "unknown_lang", "there is no template of a " + wanted.kind + " in C",
                "leave --lang out for one in C++; examples/plugins of the source has more");
  }
  return folder;
}

Status write_file(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return fail(500, "io", "cannot write '" + path.string() + "'", "is there room, and may you write there?");
  return {};
}

Result<std::vector<std::string>> copy_into(const fs::path& from, const fs::path& to, const std::string& id) {
  std::vector<std::string> made;
  std::error_code error;
  fs::directory_iterator entry(from, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_regular_file(gone)) continue;
    std::ifstream in(entry->path(), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    if (!in) return fail(500, "io", "cannot read '" + entry->path().string() + "'");
    auto name = renamed(entry->path().filename().string(), id);
    LECTERN_CHECK(write_file(to / name, renamed(text, id)));
    made.push_back(std::move(name));
  }
  if (error) return fail(500, "io", "cannot list '" + from.string() + "': " + error.message());
  std::sort(made.begin(), made.end());
  return made;
}

}  // namespace

fs::path folder_of(const NewPlugin& wanted) {
  return wanted.into.empty() ? fs::path(wanted.id) : wanted.into;
}

Result<std::vector<std::string>> new_plugin(const NewPlugin& wanted) {
  LECTERN_CHECK(check_id(wanted.id));
  LECTERN_TRY(const auto source, template_of(wanted));
  const auto folder = folder_of(wanted);
  std::error_code error;
  if (fs::exists(folder, error) && !(fs::is_directory(folder, error) && fs::is_empty(folder, error))) {
    return fail(409, "exists", "'" + folder.string() + "' is there already and not empty",
                "choose another name, or another folder with --into DIR");
  }
  const bool made_folder = fs::create_directories(folder, error);
  if (error) return fail(500, "io", "cannot make the folder '" + folder.string() + "': " + error.message());
  auto made = copy_into(source, folder, wanted.id);
  if (!made) {  // the folder was empty or not there: all that is in it is ours
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      std::error_code ignored;
      fs::remove(entry->path(), ignored);
    }
    if (made_folder) fs::remove(folder, error);
  }
  return made;
}

std::string next_steps(const NewPlugin& wanted) {
  const auto folder = folder_of(wanted).string();
  const auto build = folder + "/build";
  // Where the templates lie beside this executable, the rest of the SDK does.
  auto prefix = default_templates_dir().parent_path().parent_path().parent_path();
  std::error_code error;
  if (!fs::is_directory(prefix / "share/cmake/LecternSDK", error)) prefix = "PREFIX_OF_THE_SDK";
  auto out = "Next:\n  cmake -S " + folder + " -B " + build + " -DCMAKE_PREFIX_PATH=" + prefix.string() +
             "\n  cmake --build " + build + "\n  ctest --test-dir " + build + "\n";
  out += "  lectern serve --plugin-path " + build + "/plugins";
  if (wanted.kind == "policy") out += " --policy " + wanted.id;
  return out + "\ndocs/plugins.md tells the rules, the headers in lectern/sdk/ and lectern/abi/ every function.\n";
}

}  // namespace lectern::app
