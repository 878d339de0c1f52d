#include "plugin/generation.hpp"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "lectern/abi/entry.h"
#include "plugin/call.hpp"
#include "plugin/library.hpp"
#include "plugin/required.hpp"

namespace lectern::plugin {

namespace {

void host_log(void* ctx, std::int32_t level, lectern_str message) noexcept {
  constexpr std::uint64_t most = 16u << 10;
  if (!sane(message, UINT64_MAX)) return;
  const auto shown =
      level < LECTERN_LOG_DEBUG || level > LECTERN_LOG_ERROR ? log::Level::info : static_cast<log::Level>(level);
  try {
    log::write(shown, *static_cast<const std::string*>(ctx), text::label(view(message).substr(0, most), most));
  } catch (...) {  // out of memory for a log line: the plugin's call must not fail for it
  }
}

const void* host_extension(void*, lectern_str) noexcept {
  return nullptr;
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

struct Generation::Inner {
  std::unique_ptr<Library> library;
  lectern_entry entry{};
  // The plugin keeps a pointer to it, and the log keeps one to area, from init to deinit: neither may move.
  lectern_host host{};
  std::string area;
  bool initialised = false;

  std::string loaded_at;
  std::int64_t load_us = 0;
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::int64_t> slowest_us{0};

  mutable std::mutex mutex;  // of what follows
  GenerationState state = GenerationState::loaded;
  std::string why;
  std::string last_failure;
};

Generation::Generation(Manifest manifest, std::string sha256, std::uint64_t number)
    : manifest_(std::move(manifest)), sha256_(std::move(sha256)), number_(number), inner_(std::make_unique<Inner>()) {
  inner_->area = "plugin " + manifest_.id;
  inner_->host.struct_size = sizeof inner_->host;
  inner_->host.abi_major = LECTERN_ABI_MAJOR;
  inner_->host.abi_minor = LECTERN_ABI_MINOR;
  inner_->host.ctx = &inner_->area;
  inner_->host.log = &host_log;
  inner_->host.get_extension = &host_extension;
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
                                                     std::string sha256, std::uint64_t number) {
  const std::scoped_lock lock(control_mutex());
  const auto start = clock::now_us();
  const std::string who = manifest.library_path().string();
  std::unique_ptr<Generation> made(new Generation(std::move(manifest), std::move(sha256), number));
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
  const auto status = guarded(*made, "start", error, [&] { return may_throw(inner.entry.init)(&inner.host, &error); });
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
  inner.loaded_at = clock::rfc3339_now();
  inner.load_us = clock::now_us() - start;
  return made;
}

GenerationState Generation::state() const {
  const std::scoped_lock lock(inner_->mutex);
  return inner_->state;
}

GenerationReport Generation::report() const {
  GenerationReport report;
  report.number = number_;
  report.sha256 = sha256_;
  report.build = text::label(view(inner_->entry.build), 400);
  report.loaded_at = inner_->loaded_at;
  report.load_us = inner_->load_us;
  report.calls = inner_->calls.load(std::memory_order_relaxed);
  report.failures = inner_->failures.load(std::memory_order_relaxed);
  report.slowest_us = inner_->slowest_us.load(std::memory_order_relaxed);
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
  if (state() == GenerationState::quarantined) return "it was quarantined: " + report().why;
  if (std::exchange(inner_->initialised, false))
    guarded_void(*this, "stop", [&] { may_throw(inner_->entry.deinit)(); });
  if (!manifest_.unloadable) return "its manifest does not say that it can be unloaded";
  inner_->entry = {};
  interface_ = nullptr;
  if (!inner_->library->close()) {
    return "it stayed in memory after dlclose: a unique symbol or a thread-local destructor holds it";
  }
  return {};
}

}  // namespace lectern::plugin
