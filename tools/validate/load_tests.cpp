// Loading, the entry, and leaving again.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/text.hpp"
#include "guarded_page.hpp"
#include "plugin/registry.hpp"
#include "raw_plugin.hpp"
#include "suites.hpp"

namespace lectern::validate {

namespace {

Result<plugin::GenerationPtr> load_as_host(plugin::Registry& registry, const Subject& subject) {
  return registry.load(subject.manifest->kind, subject.manifest->id);
}

void host(const Context& context, Report& report) {
  const Subject& subject = context.subject;
  if (!subject.manifest) {
    report.fail("without a manifest no host loads it: " + subject.manifest_error.message, subject.manifest_error.hint);
    return;
  }
  doing("be loaded as a host loads it");
  plugin::Registry registry({{subject.manifest_path.parent_path()}, context.work});
  const auto generation = load_as_host(registry, subject);
  if (!generation) report.fail(generation.error().message, generation.error().hint);
}

std::unique_ptr<RawPlugin> loaded(const Context& context, Report& report) {
  doing("be loaded");
  auto plugin = RawPlugin::load(fresh_copy(context.subject.library, context.work));
  if (plugin) return std::move(*plugin);
  report.fail(plugin.error().message, plugin.error().hint);
  return nullptr;
}

void entry(const Context& context, Report& report) {
  const auto plugin = loaded(context, report);
  if (plugin == nullptr) return;
  const lectern_entry& entry = plugin->entry();
  const auto& manifest = *context.subject.manifest;
  const auto differs = [&](std::string_view what, std::string_view here, std::string_view there) {
    if (here != there)
      report.fail("the library says " + std::string(what) + " \"" + text::label(here, 64) + "\", the manifest \"" +
                      text::label(there, 64) + "\"",
                  "They are of two builds, or one was written by hand: let lectern_add_plugin() write both.");
  };
  differs("id", view(entry.id), manifest.id);
  differs("version", view(entry.version), manifest.version);
  if (entry.abi_major != manifest.abi_major || entry.abi_minor != manifest.abi_minor)
    report.fail("the library is for interface " + std::to_string(entry.abi_major) + "." +
                    std::to_string(entry.abi_minor) + ", the manifest says " + std::to_string(manifest.abi_major) +
                    "." + std::to_string(manifest.abi_minor),
                "Build it again: the manifest is read before the library is loaded.");
  if (entry.reserved != 0)
    report.fail("the entry's reserved field is not 0",
                "Leave reserved fields 0: a later version gives them a meaning.");
  if (view(entry.build).empty()) report.note("entry.build is empty: reports cannot say which compiler made it");
  const void* first = plugin->interface(manifest.kind);
  if (first != plugin->interface(manifest.kind))
    report.fail("get_kind gave another address the second time",
                "The interface is constant until deinit: return a static.");
  const auto& header = *static_cast<const std::uint32_t*>(first);
  if (header == 0) report.fail("the interface has struct_size 0", "Set it to sizeof of the struct.");
  for (const auto kind : plugin::all_kinds) {
    if (kind != manifest.kind && plugin->interface(kind) != nullptr)
      report.warn(
          "it also offers the kind \"" + std::string(plugin::kind_name(kind)) + "\", which its manifest does not name",
          "One manifest names one kind: hosts will never use the other. Return null for it.");
  }
}

void time(const Context& context, Report& report) {
  std::int64_t best = INT64_MAX;
  const int rounds = 3;
  for (int i = 0; i < rounds; ++i) {
    const auto copy = fresh_copy(context.subject.library, context.work);
    doing("be loaded and started");
    const auto start = std::chrono::steady_clock::now();
    const auto plugin = RawPlugin::load(copy);
    if (!plugin) return report.fail(plugin.error().message, plugin.error().hint);
    (void)(*plugin)->interface(context.subject.manifest->kind);
    const auto us =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
    best = std::min<std::int64_t>(best, us);
  }
  report.note("loaded and started in " + std::to_string(best) + " us (best of " + std::to_string(rounds) + ")");
  if (best > 2'000'000) {
    report.fail("it takes " + std::to_string(best / 1000) + " ms to load: the host's start waits for it",
                "Do the work on the first use, not in static constructors and init.");
  } else if (best > 100'000) {
    report.warn("it takes " + std::to_string(best / 1000) + " ms to load; 100 ms are plenty",
                "Do the work on the first use, not in static constructors and init.");
  }
}

void unknown_ids(const Context& context, Report& report) {
  const auto plugin = loaded(context, report);
  if (plugin == nullptr) return;
  const std::string kind(plugin::kind_name(context.subject.manifest->kind));
  const std::string huge(1u << 20, 'k');
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"", "an empty id"},
      {"nonsense", "\"nonsense\""},
      {kind + "x", "its kind with a letter more"},
      {kind.substr(0, kind.size() - 1), "its kind with a letter less"},
      {kind + std::string(1, '\0'), "its kind with a zero byte after it"},
      {"POLICY", "capital letters"},
      {huge, "an id of 1 MiB"},
  };
  for (const auto& [id, name] : wrong) {
    doing("answer get_kind for " + name);
    const void* found = nullptr;
    // At the end of a page: an id is pointer and length, and nothing ends it.
    const GuardedPage page(id);
    const auto thrown = thrown_by([&] { found = may_throw(plugin->entry().get_kind)(to_abi(page.text())); });
    if (!thrown.empty()) report.fail("get_kind " + thrown, "No exception may leave a plugin.");
    if (found != nullptr)
      report.fail("get_kind gives an interface for " + name,
                  "Compare length and bytes, and return null for what you do not know.");
    if (plugin->entry().get_extension == nullptr) continue;
    doing("answer get_extension for " + name);
    found = nullptr;
    const auto thrown_too = thrown_by([&] { found = may_throw(plugin->entry().get_extension)(to_abi(page.text())); });
    if (!thrown_too.empty()) report.fail("get_extension " + thrown_too, "No exception may leave a plugin.");
    if (found != nullptr)
      report.fail("get_extension gives something for " + name, "Return null for what you do not know.");
  }
}

/// A lectern_host of another length, its last byte before a page that must not be touched.
struct OddHost {
  TestHost base;
  GuardedPage page;
  explicit OddHost(std::size_t size) : page(std::string(size, '\xA5')) {
    std::memcpy(page.data(), &base.abi, std::min(size, sizeof base.abi));
    const auto told = static_cast<std::uint32_t>(size);
    std::memcpy(page.data(), &told, sizeof told);
    base.alive = true;
  }
  [[nodiscard]] const lectern_host* abi() const { return reinterpret_cast<const lectern_host*>(page.data()); }
};

void host_sizes(const Context& context, Report& report) {
  const auto plugin = loaded(context, report);
  if (plugin == nullptr) return;
  const lectern_entry entry = plugin->entry();
  struct Case {
    std::size_t size;
    const char* name;
    bool must_work;
  };
  const Case cases[] = {
      {sizeof(lectern_host) + 64, "a newer host, whose struct is 64 bytes longer", true},
      {offsetof(lectern_host, get_extension), "a host whose struct ends before get_extension", false},
      {offsetof(lectern_host, log), "a host whose struct ends before log", false},
  };
  (void)thrown_by([&] { may_throw(entry.deinit)(); });
  for (const Case& one : cases) {
    doing(std::string("start in ") + one.name);
    const OddHost odd(one.size);
    lectern_error error = empty_error();
    lectern_status status = LECTERN_INTERNAL;
    const auto thrown = thrown_by([&] { status = may_throw(entry.init)(odd.abi(), &error); });
    if (!thrown.empty()) report.fail("init " + thrown, "No exception may leave a plugin.");
    if (status != LECTERN_OK && one.must_work)
      report.fail(std::string("init refuses ") + one.name + ": " + said(error),
                  "Read min(struct_size, sizeof) bytes and ignore the rest: structs grow at the end.");
    if (status == LECTERN_OK) (void)thrown_by([&] { may_throw(entry.deinit)(); });
  }
  doing("start in a host of another major version");
  TestHost other;
  other.alive = true;
  other.abi.abi_major = LECTERN_ABI_MAJOR + 1;
  lectern_status status = LECTERN_INTERNAL;
  (void)thrown_by([&] { status = may_throw(entry.init)(&other.abi, nullptr); });
  if (status == LECTERN_OK) {
    report.note("init does not look at the host's version; hosts check it first, so this is only a second lock");
    (void)thrown_by([&] { may_throw(entry.deinit)(); });
  }
  doing("start again after it was stopped");
  lectern_error error = empty_error();
  (void)thrown_by([&] { status = may_throw(entry.init)(&plugin->host().abi, &error); });
  if (status != LECTERN_OK)
    report.fail("init after deinit is refused: " + said(error), "deinit undoes what init did; init may come again.");
}

void again(const Context& context, Report& report) {
  const auto plugin = loaded(context, report);
  if (plugin == nullptr) return;
  const lectern_entry entry = plugin->entry();
  for (int i = 0; i < 20; ++i) {
    doing("stop and start again, round " + std::to_string(i + 1));
    const auto stopped = thrown_by([&] { may_throw(entry.deinit)(); });
    if (!stopped.empty()) return report.fail("deinit " + stopped, "No exception may leave a plugin.");
    lectern_error error = empty_error();
    lectern_status status = LECTERN_INTERNAL;
    const auto thrown = thrown_by([&] { status = may_throw(entry.init)(&plugin->host().abi, &error); });
    if (!thrown.empty()) return report.fail("init " + thrown, "No exception may leave a plugin.");
    if (status != LECTERN_OK)
      return report.fail("init refuses after deinit, round " + std::to_string(i + 1) + ": " + said(error),
                         "deinit undoes what init did; init may come again.");
  }
}

}  // namespace

std::vector<Test> load_suite() {
  return {
      {"load.host", "a host loads it: manifest, library, entry, interface", 30, {}, false, &host},
      {"load.entry",
       "id, version, kind and interface version of the library are those of its manifest",
       30,
       {},
       true,
       &entry},
      {"load.time", "it is loaded and started in 100 ms", 60, {}, true, &time},
      {"load.unknown-ids",
       "kinds and extensions it does not have are null, however they are spelled",
       30,
       {},
       true,
       &unknown_ids},
      {"load.host-sizes",
       "it starts in hosts whose struct is longer, and survives a shorter one",
       30,
       {},
       true,
       &host_sizes},
      {"load.again", "init after deinit works, twenty times", 60, {}, true, &again},
  };
}

}  // namespace lectern::validate
