// What can be told of a plugin without running any of its code.
#include <dlfcn.h>

#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "elf_file.hpp"
#include "suites.hpp"

namespace lectern::validate {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view entry_symbol = "lectern_plugin_entry";
constexpr const char* build_hint = "lectern_add_plugin() links as it should be.";

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  const std::size_t shown = std::min<std::size_t>(names.size(), 12);
  for (std::size_t i = 0; i < shown; ++i) out += (i == 0 ? "" : ", ") + text::label(names[i], 120);
  if (shown < names.size()) out += " and " + std::to_string(names.size() - shown) + " more";
  return out;
}

std::optional<ElfFile> elf_of(const Context& context, Report& report) {
  auto elf = read_elf(context.subject.library);
  if (elf) return std::move(*elf);
  report.fail(context.subject.library.filename().string() + ": " + elf.error().message, elf.error().hint);
  return std::nullopt;
}

void manifest(const Context& context, Report& report) {
  const Subject& subject = context.subject;
  if (!subject.manifest) {
    report.fail(subject.manifest_error.message,
                subject.manifest_error.hint.empty()
                    ? "lectern_add_plugin() writes the manifest; install it with the library."
                    : subject.manifest_error.hint);
    return;
  }
  const auto& said = *subject.manifest;
  if (said.library != subject.library.filename())
    report.fail("the manifest names " + said.library + " as its library, not " + subject.library.filename().string(),
                "Mend \"library\", or rename the file.");
  if (said.version.empty()) report.warn("the manifest has no version", "Say VERSION in lectern_add_plugin().");
  if (said.description.empty())
    report.warn("the manifest has no description: people choose plugins by it",
                "Say DESCRIPTION in lectern_add_plugin().");
}

void file(const Context& context, Report& report) {
  const auto elf = elf_of(context, report);
  if (!elf) return;
  if (elf->soname)
    report.warn(
        "it has the SONAME " + *elf->soname + ": a loader that knows a library of that name may take it for this one",
        std::string("Link with NO_SONAME. ") + build_hint);
  if (elf->text_relocations)
    report.fail("it has text relocations: its code is rewritten on loading and shared with nobody",
                "Compile everything that is linked into it with -fPIC.");
  if (elf->executable_stack)
    report.fail("it wants an executable stack, which makes every stack of the host executable",
                "Link with -Wl,-z,noexecstack; a hand-written .s file lacks its .note.GNU-stack section.");
  if (elf->run_path.find('/') != std::string::npos && !elf->run_path.starts_with("$ORIGIN"))
    report.warn(
        "it looks for its libraries in " + text::label(elf->run_path, 200) + ", a path of the machine it was built on",
        "Set no RPATH, or one that starts with $ORIGIN.");
}

void exports(const Context& context, Report& report) {
  const auto elf = elf_of(context, report);
  if (!elf) return;
  // What linkers put into every library of old.
  const auto usual = [](const std::string& name) {
    return name == "_init" || name == "_fini" || name == "_edata" || name == "_end" || name == "__bss_start" ||
           name == "__odr_asan_gen_" || name.starts_with("__asan_") || name.starts_with("__odr_asan");
  };
  bool found = false;
  std::vector<std::string> others;
  for (const auto& symbol : elf->symbols) {
    if (!symbol.defined) continue;
    if (symbol.name == entry_symbol) {
      found = true;
    } else if (!usual(symbol.name)) {
      others.push_back(symbol.name);
    }
  }
  if (!found)
    report.fail("it does not export lectern_plugin_entry",
                "Say LECTERN_PLUGIN(…) once in its sources; in C, declare the function with LECTERN_EXPORT.");
  if (!others.empty())
    report.fail("it exports " + std::to_string(others.size()) + " more symbols: " + listed(others),
                std::string("Compile with -fvisibility=hidden and link with a version script that leaves "
                            "lectern_plugin_entry alone global. ") +
                    build_hint);
}

/// The libraries a plugin names, opened without it: none of its own code runs.
class Needed {
 public:
  Needed(const ElfFile& elf, const fs::path& library) {
    std::string origin = elf.run_path;
    constexpr std::string_view mark = "$ORIGIN";
    if (origin.starts_with(mark)) origin.replace(0, mark.size(), library.parent_path().string());
    for (const auto& name : elf.needed) {
      void* handle = nullptr;
      if (!origin.empty()) handle = ::dlopen((fs::path(origin) / name).c_str(), RTLD_LAZY | RTLD_LOCAL);
      if (handle == nullptr) handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
      if (handle == nullptr) {
        missing.push_back(name);
      } else {
        handles_.push_back(handle);
      }
    }
  }
  ~Needed() {
    for (void* handle : handles_) ::dlclose(handle);
  }
  Needed(const Needed&) = delete;
  Needed& operator=(const Needed&) = delete;

  [[nodiscard]] bool have(const std::string& symbol) const {
    return std::any_of(handles_.begin(), handles_.end(),
                       [&](void* handle) { return ::dlsym(handle, symbol.c_str()) != nullptr; });
  }
  std::vector<std::string> missing;

 private:
  std::vector<void*> handles_;
};

void undefined(const Context& context, Report& report) {
  const auto elf = elf_of(context, report);
  if (!elf) return;
  const Needed needed(*elf, context.subject.library);
  if (!needed.missing.empty())
    report.fail("it needs libraries that are not here: " + listed(needed.missing),
                "Install them, or link them statically.");
  std::vector<std::string> nowhere, by_chance;
  for (const auto& symbol : elf->symbols) {
    if (symbol.defined || symbol.weak || symbol.name.empty()) continue;
    if (needed.have(symbol.name)) continue;
    const bool sanitizer = symbol.name.starts_with("__asan_") || symbol.name.starts_with("__tsan_") ||
                           symbol.name.starts_with("__ubsan_") || symbol.name.starts_with("__sanitizer_");
    if (sanitizer) continue;  // the host is built with the same one, or loading fails and says so
    (::dlsym(RTLD_DEFAULT, symbol.name.c_str()) == nullptr ? nowhere : by_chance).push_back(symbol.name);
  }
  if (!nowhere.empty())
    report.fail(
        "symbols that no library it names provides: " + listed(nowhere),
        std::string("Add the source or library that has them; -Wl,-z,defs makes the linker say so. ") + build_hint);
  if (!by_chance.empty())
    report.fail("symbols that only the program around it happens to have: " + listed(by_chance),
                "Link the library that provides them (LINK in lectern_add_plugin); another host may lack them.");
}

void unloading(const Context& context, Report& report) {
  const auto elf = elf_of(context, report);
  if (!elf) return;
  std::vector<std::string> unique;
  bool thread_exit = false;
  for (const auto& symbol : elf->symbols) {
    if (symbol.defined && symbol.unique) unique.push_back(symbol.name);
    if (!symbol.defined && symbol.name.starts_with("__cxa_thread_atexit")) thread_exit = true;
  }
  std::vector<Problem> found;
  if (!unique.empty())
    found.push_back({true, "symbols that are unique to the process keep it in memory for ever: " + listed(unique),
                     "Compile with -fvisibility=hidden and -fno-gnu-unique."});
  if (thread_exit)
    found.push_back({true,
                     "it has a thread_local with a destructor: once a thread of the host has touched it, the library "
                     "stays in memory, even after that thread has ended",
                     "Keep such things in the object, or say RESIDENT in lectern_add_plugin()."});
  if (elf->no_delete)
    found.push_back({true, "it is linked with -z nodelete", "Leave the option out, or say RESIDENT."});
  const bool promised = context.subject.manifest && context.subject.manifest->unloadable;
  for (auto& one : found) {
    if (promised) {
      report.fail("the manifest says \"unloadable\", but " + one.what, one.fix);
    } else {
      report.note(one.what);
    }
  }
  if (!promised) report.skip("the manifest does not say that it can be unloaded: the host never tries");
}

}  // namespace

std::vector<Test> static_suite() {
  return {
      {"static.manifest", "the manifest is there, is right, and names this library", 10, {}, false, &manifest},
      {"static.file",
       "a whole shared object for this machine, without SONAME, text relocations or foreign paths",
       10,
       {},
       false,
       &file},
      {"static.exports", "lectern_plugin_entry is exported, and nothing else", 10, {}, false, &exports},
      {"static.undefined", "every symbol it lacks is in a library that it names", 20, {}, false, &undefined},
      {"static.unloading", "nothing in it keeps the library in memory after dlclose", 10, {}, false, &unloading},
  };
}

}  // namespace lectern::validate
