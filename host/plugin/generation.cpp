#include "plugin/generation.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "lectern/abi/entry.h"
#include "lectern/abi/ext/config_schema.h"
#include "plugin/call.hpp"
#include "plugin/extensions_schema.hpp"
#include "plugin/library.hpp"
#include "plugin/required.hpp"

namespace lectern::plugin {

namespace {

/// A library that stays mapped may still call its host.
void keep_for_ever(std::shared_ptr<Services> services) {
  static std::vector<std::shared_ptr<Services>>* const kept =
      std::make_unique<std::vector<std::shared_ptr<Services>>>().release();
  const std::scoped_lock lock(control_mutex());
  kept->push_back(std::move(services));
}

tl::unexpected<Error> refused(std::string_view code, std::string message, std::string hint) {
  return fail(422, std::string(code), std::move(message), std::move(hint));
}

/// The gates of the entry, cheapest first.
Status check_entry(const lectern_entry& entry, const Manifest& manifest, const std::string& who) {
  if (entry.init == nullptr || entry.deinit == nullptr || entry.get_kind == nullptr) {
    return refused(
        "bad_entry",
        who + " has an entry of " + std::to_string(entry.struct_size) + " bytes without init, deinit or get_kind",
        "Set struct_size to sizeof(lectern_entry) and fill every function.");
  }
  LECTERN_CHECK(check_abi(entry.abi_major, entry.abi_minor, who));
  if (!sane(entry.id, 64) || !sane(entry.version, 256) || !sane(entry.build, 4096)) {
    return refused("bad_entry", who + " has an entry whose texts make no sense",
                   "Point them at constant text with its length.");
  }
  if (view(entry.id) != manifest.id) {
    return refused(
        "id_mismatch",
        who + " calls itself \"" + text::label(view(entry.id), 64) + "\", its manifest says \"" + manifest.id + "\"",
        "Library and manifest are of two plugins, or of two builds: install them together.");
  }
  return {};
}

}  // namespace

std::string_view state_name(GenerationState state) {
  switch (state) {
    case GenerationState::loaded:
      return "loaded";
    case GenerationState::active:
      return "active";
    case GenerationState::draining:
      return "draining";
    case GenerationState::quarantined:
      return "quarantined";
  }
  return "unknown";
}

namespace {

/// Four buckets for each power of two: enough for a p99, and counting costs one atomic add.
class Histogram {
 public:
  void add(std::int64_t us) { buckets_[bucket(us)].fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t p99() const {
    std::array<std::uint64_t, size> counts{};
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < size; ++i) all += counts[i] = buckets_[i].load(std::memory_order_relaxed);
    std::uint64_t above = 0;
    for (std::size_t i = size; i-- > 0;) {
      above += counts[i];
      if (above != 0 && above * 100 > all) return upper(i);
    }
    return 0;
  }

 private:
  static constexpr std::size_t size = 128;
  static std::size_t bucket(std::int64_t us) {
    const auto value = static_cast<std::uint64_t>(us < 0 ? 0 : us);
    if (value < 4) return static_cast<std::size_t>(value);
    const auto power = static_cast<std::size_t>(std::bit_width(value)) - 1;
    return std::min(size - 1, (power - 1) * 4 + ((value >> (power - 2)) & 3));
  }
  static std::int64_t upper(std::size_t bucket) {
    if (bucket < 4) return static_cast<std::int64_t>(bucket);
    const auto power = bucket / 4 + 1;
    return static_cast<std::int64_t>((bucket % 4 + 5) << (power - 2));
  }
  std::array<std::atomic<std::uint64_t>, size> buckets_{};
};

}  // namespace

struct Generation::Inner {
  std::unique_ptr<isolation::Remote> remote;  // instead of library and entry
  std::unique_ptr<Library> library;
  lectern_entry entry{};
  std::shared_ptr<Services> services;  // the plugin keeps pointers into it
  std::unique_ptr<ConfigSchema> schema;
  std::string area;
  bool initialised = false;

  std::string loaded_at;
  std::int64_t load_us = 0;
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::int64_t> slowest_us{0};
  Histogram times;

  mutable std::mutex mutex;  // of what follows
  GenerationState state = GenerationState::loaded;
  std::string why;
  std::string last_failure;
};

Generation::Generation(Manifest manifest, std::string sha256, std::uint64_t number, const ServiceOptions& services)
    : manifest_(std::move(manifest)), sha256_(std::move(sha256)), number_(number), inner_(std::make_unique<Inner>()) {
  inner_->area = "plugin " + manifest_.id;
  inner_->services = std::make_shared<Services>(manifest_.id, services);
}

// A plugin that was never told to stop may still run, and it was promised its lectern_host until it is: that is kept
// for ever, at exit too, and the library with it.
Generation::~Generation() {
  if (!inner_->initialised) return;
  static std::vector<std::unique_ptr<Inner>>* const for_ever =
      std::make_unique<std::vector<std::unique_ptr<Inner>>>().release();
  const std::scoped_lock lock(control_mutex());
  for_ever->push_back(std::move(inner_));
}

Result<std::unique_ptr<Generation>> Generation::load(Manifest manifest, const std::filesystem::path& staged,
                                                     std::string sha256, std::uint64_t number,
                                                     const ServiceOptions& services) {
  const std::scoped_lock lock(control_mutex());
  const auto start = clock::now_us();
  const std::string who = manifest.library_path().string();
  std::unique_ptr<Generation> made(new Generation(std::move(manifest), std::move(sha256), number, services));
  Inner& inner = *made->inner_;
  LECTERN_TRY(inner.library, Library::open(staged, who));
  lectern_error error = empty_error();

  const lectern_entry* raw = nullptr;
  (void)guarded(*made, "give its entry", error, [&] {
    raw = may_throw(inner.library->entry())();
    return lectern_status{LECTERN_OK};
  });
  inner.entry = read_struct(raw);
  if (auto status = check_entry(inner.entry, made->manifest_, who); !status) {
    inner.library->close();
    return fail(std::move(status).error());
  }

  error = empty_error();
  const auto status =
      guarded(*made, "start", error, [&] { return may_throw(inner.entry.init)(inner.services->host(), &error); });
  if (status != LECTERN_OK) {
    Error said = call_error(*made, "start", status, error, 500, "init_failed");
    said.status = 500;
    said.code = "init_failed";
    inner.library->close();
    return fail(std::move(said));
  }
  inner.initialised = true;

  guarded_void(*made, "give its interface",
               [&] { made->interface_ = may_throw(inner.entry.get_kind)(to_abi(kind_name(made->kind()))); });
  Status usable;
  if (made->interface_ == nullptr) {
    usable = refused(
        "missing_kind",
        who + " does not offer the kind \"" + std::string(kind_name(made->kind())) + "\" that its manifest promises",
        "LECTERN_PLUGIN(…) must name a class of that kind.");
  } else {
    usable = check_interface(made->kind(), made->interface_, who);
  }
  if (!usable) {
    made->end();
    return fail(std::move(usable).error());
  }
  made->take_schema();
  inner.loaded_at = clock::rfc3339_now();
  inner.load_us = clock::now_us() - start;
  return made;
}

isolation::Launch launch_of(const Manifest& manifest, const std::filesystem::path& staged, const std::string& sha256,
                            const std::filesystem::path& program, const isolation::Limits& limits) {
  isolation::Launch launch;
  launch.program = program;
  launch.id = manifest.id;
  launch.kind = kind_name(manifest.kind);
  launch.abi_major = manifest.abi_major;
  launch.abi_minor = manifest.abi_minor;
  launch.library = manifest.library;
  launch.manifest = manifest.path;
  launch.staged = staged;
  launch.sha256 = sha256;
  launch.limits = limits;
  return launch;
}

Result<std::unique_ptr<Generation>> Generation::isolate(Manifest manifest, const std::filesystem::path& staged,
                                                        std::string sha256, std::uint64_t number,
                                                        const std::filesystem::path& program,
                                                        const isolation::Limits& limits,
                                                        const ServiceOptions& services) {
  const auto start = clock::now_us();
  std::unique_ptr<Generation> made(new Generation(std::move(manifest), std::move(sha256), number, services));
  auto launch = launch_of(made->manifest_, staged, made->sha256_, program, limits);
  launch.checks = static_cast<std::int32_t>(services.checks);
  launch.lowest_level = services.lowest_level;
  // What comes out of its processes goes where a plugin in this process would put it.
  launch.on_line = [to = made->inner_->services](log::Level level, std::string_view text) {
    to->write(static_cast<std::int32_t>(level), text);
  };
  const auto adopt = [to = made->inner_->services](const isolation::News& news) { to->adopt(news); };
  LECTERN_TRY(made->inner_->remote, isolation::Remote::start(std::move(launch), adopt));
  made->interface_ = made->inner_->remote->interface();
  made->take_schema();
  made->inner_->loaded_at = clock::rfc3339_now();
  made->inner_->load_us = clock::now_us() - start;
  return made;
}

isolation::Remote* Generation::remote() const {
  return inner_->remote.get();
}

GenerationState Generation::state() const {
  const std::scoped_lock lock(inner_->mutex);
  return inner_->state;
}

GenerationReport Generation::report() const {
  GenerationReport report;
  report.number = number_;
  report.sha256 = sha256_;
  if (const auto* remote = inner_->remote.get()) {
    const auto there = remote->report();
    report.isolated = true;
    report.build = remote->build();
    report.pid = there.pid;
    report.memory_bytes = there.memory_bytes;
    report.restarts = there.restarts;
  } else {
    report.build = text::label(view(inner_->entry.build), 400);
  }
  report.loaded_at = inner_->loaded_at;
  report.load_us = inner_->load_us;
  report.breaches = checker()->breaches();
  report.dropped_lines = inner_->services->dropped_lines();
  if (inner_->schema != nullptr) report.config_schema = inner_->schema->text();
  report.calls = inner_->calls.load(std::memory_order_relaxed);
  report.failures = inner_->failures.load(std::memory_order_relaxed);
  report.slowest_us = inner_->slowest_us.load(std::memory_order_relaxed);
  report.p99_us = inner_->times.p99();
  const std::scoped_lock lock(inner_->mutex);
  report.state = inner_->state;
  report.why = inner_->why;
  report.last_failure = inner_->last_failure;
  return report;
}

const void* Generation::extension(std::string_view id) const {
  if (inner_->entry.get_extension == nullptr) return nullptr;
  const void* found = nullptr;
  guarded_void(const_cast<Generation&>(*this), "give an extension",
               [&] { found = may_throw(inner_->entry.get_extension)(to_abi(id)); });
  return found;
}

/// What check_config() goes by. A schema that cannot be enforced is as good as none, and its author is told.
void Generation::take_schema() {
  std::string_view text;
  if (inner_->remote) {
    text = inner_->remote->config_schema();
    if (text.empty()) return;
  } else {
    const auto found = read_struct(static_cast<const lectern_config_schema*>(extension(LECTERN_EXT_CONFIG_SCHEMA)));
    if (found.struct_size == 0) return;
    if (sane(found.schema, 64u << 10)) text = view(found.schema);
  }
  auto compiled = ConfigSchema::compile(text);
  if (compiled) {
    inner_->schema = std::move(*compiled);
    return;
  }
  checker()->broken(Side::plugin, "(initialised)", LECTERN_EXT_CONFIG_SCHEMA,
                    "is not used: " + compiled.error().message);
}

Status Generation::check_config(std::string_view config_json) const {
  return inner_->schema == nullptr ? Status{} : inner_->schema->check(config_json, id());
}

std::optional<Health> Generation::health() const {
  if (state() == GenerationState::quarantined) return std::nullopt;
  if (inner_->remote) {
    const auto said = inner_->remote->health();
    return said ? std::optional(checked_health(*said, checker())) : std::nullopt;
  }
  return ask_health(extension(LECTERN_EXT_HEALTH), checker());
}

const CheckerPtr& Generation::checker() const {
  return inner_->services->checker();
}

std::vector<PluginMetric> Generation::metrics() const {
  if (inner_->remote) inner_->remote->ask_news();
  return inner_->services->metrics();
}

std::uint64_t Generation::dropped_lines() const {
  return inner_->services->dropped_lines();
}

void Generation::activate() {
  const std::scoped_lock lock(inner_->mutex);
  if (inner_->state == GenerationState::quarantined) return;
  inner_->state = GenerationState::active;
  inner_->why.clear();
}

void Generation::drain(std::string why) {
  const std::scoped_lock lock(inner_->mutex);
  if (inner_->state == GenerationState::quarantined) return;
  inner_->state = GenerationState::draining;
  inner_->why = std::move(why);
}

void Generation::quarantine(std::string why) {
  log::warning(inner_->area, "generation " + std::to_string(number_) + " is quarantined: " + why);
  const std::scoped_lock lock(inner_->mutex);
  inner_->state = GenerationState::quarantined;
  inner_->why = std::move(why);
}

void Generation::count_call(std::int64_t us) {
  inner_->calls.fetch_add(1, std::memory_order_relaxed);
  inner_->times.add(us);
  auto slowest = inner_->slowest_us.load(std::memory_order_relaxed);
  while (us > slowest && !inner_->slowest_us.compare_exchange_weak(slowest, us, std::memory_order_relaxed)) {
  }
}

void Generation::count_failure(std::string what) {
  what = text::label(what, 600);
  inner_->failures.fetch_add(1, std::memory_order_relaxed);
  log::warning(inner_->area, "failed to " + what);
  const std::scoped_lock lock(inner_->mutex);
  inner_->last_failure = std::move(what);
}

std::string Generation::end() {
  const std::scoped_lock lock(control_mutex());
  if (inner_->remote) {
    interface_ = nullptr;
    inner_->remote.reset();
    return {};
  }
  if (state() == GenerationState::quarantined) return "it was quarantined: " + report().why;
  if (std::exchange(inner_->initialised, false))
    guarded_void(*this, "stop", [&] { may_throw(inner_->entry.deinit)(); });
  inner_->services->close();
  if (!manifest_.unloadable) {
    keep_for_ever(inner_->services);
    return "its manifest does not say that it can be unloaded";
  }
  inner_->entry = {};
  interface_ = nullptr;
  if (!inner_->library->close()) {
    keep_for_ever(inner_->services);
    return "it stayed in memory after dlclose: a unique symbol or a thread-local destructor holds it";
  }
  return {};
}

}  // namespace lectern::plugin
