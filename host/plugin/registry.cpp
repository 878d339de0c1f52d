#include "plugin/registry.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "plugin/staging.hpp"

namespace lectern::plugin {

namespace fs = std::filesystem;

struct Registry::Inner {
  RegistryOptions options;

  std::mutex mutex;  // of what follows
  std::uint64_t next_number = 1;
  bool probing = false;
  // The newest of each format: notebooks come and go, and each opening would load all formats again. Cleared by
  // ~Registry: what a generation's deleter holds is this.
  std::map<std::string, GenerationPtr> formats;
  struct Death {
    Error error;
    std::int64_t at_ms;
  };
  std::map<std::string, Death> died_at_load;  // by content: each opening of a file loads all formats
  std::vector<std::weak_ptr<Generation>> live;
  struct Kept {
    std::string id;
    bool faulty;  // quarantined for what it did, not only for not unloading
    GenerationReport report;
  };
  std::vector<Kept> kept;  // ended, but mapped for ever

  std::mutex looking;  // of `known`; apart from `mutex`: looking at the disk holds up no load
  KnownPlugins known;

  // Apart from `mutex`: the last holder may let go anywhere, even inside a function that holds that.
  std::mutex dead_mutex;
  std::vector<std::unique_ptr<Generation>> dead;

  void bury(Generation* generation) {
    const std::scoped_lock lock(dead_mutex);
    dead.emplace_back(generation);
  }

  std::map<std::string, int> unended;  // by content: in this process, and reap() has not ended them yet

  /// [control] Needs `mutex`.
  void reap() {
    std::vector<std::unique_ptr<Generation>> ending;
    {
      const std::scoped_lock lock(dead_mutex);
      ending.swap(dead);
    }
    for (auto& generation : ending) {
      if (generation->remote() == nullptr) --unended[generation->sha256()];
      const bool faulty = generation->state() == GenerationState::quarantined;
      std::string why = generation->end();
      if (why.empty()) {
        log::debug("plugins",
                   generation->id() + " generation " + std::to_string(generation->number()) + " is unloaded");
        continue;
      }
      Kept entry{generation->id(), faulty, generation->report()};
      entry.report.state = GenerationState::quarantined;
      if (!faulty) entry.report.why = std::move(why);
      kept.push_back(std::move(entry));
    }
    std::erase_if(live, [](const auto& weak) { return weak.expired(); });
  }

  [[nodiscard]] std::vector<GenerationPtr> alive() {
    std::vector<GenerationPtr> out;
    const std::scoped_lock lock(mutex);
    for (const auto& weak : live) {
      if (auto generation = weak.lock()) out.push_back(std::move(generation));
    }
    return out;
  }

  /// Whether it gets a process of its own.
  [[nodiscard]] bool isolated(const Manifest& manifest, const std::string& sha256) const {
    const bool trusted = !options.trust || is_trusted(*options.trust, sha256);
    const auto& ids = options.isolate;
    return !trusted || std::find(ids.begin(), ids.end(), manifest.id) != ids.end();
  }

  /// A library's file when its content was last read.
  struct Seen {
    FileFacts facts;
    std::string sha256;
  };
  std::map<fs::path, Seen> seen;
  /// `before`: its facts from before the content was read.
  void remember(const Manifest& manifest, const FileFacts& before, const std::string& sha256) {
    seen.erase(manifest.library_path());
    if (before.settled()) seen[manifest.library_path()] = {before, sha256};
  }
  /// The generation of a file that was not touched since it was loaded, without reading it again; null when in doubt.
  GenerationPtr unchanged(const Manifest& manifest) {
    const auto at = seen.find(manifest.library_path());
    if (at == seen.end()) return nullptr;
    const Seen& then = at->second;
    if (FileFacts::of(at->first) != then.facts || (!manifest.sha256.empty() && manifest.sha256 != then.sha256)) {
      return nullptr;
    }
    auto there = loaded(manifest.id, then.sha256, isolated(manifest, then.sha256));
    return there ? *there : nullptr;
  }

  /// The one of that content that is loaded; an error when that content is known to be bad.
  Result<GenerationPtr> loaded(const std::string& id, const std::string& sha256, bool isolated) {
    const auto refuse = [&](const std::string& why) {
      return fail(409, "quarantined", id + " is quarantined: " + why,
                  "Install a mended build; the same one is not loaded again.");
    };
    GenerationPtr found;
    for (const auto& weak : live) {
      auto generation = weak.lock();
      if (generation == nullptr || generation->id() != id || generation->sha256() != sha256) continue;
      if (generation->state() == GenerationState::quarantined) return refuse(generation->report().why);
      if ((generation->remote() != nullptr) == isolated) found = std::move(generation);
    }
    for (const auto& entry : kept) {
      if (entry.id == id && entry.report.sha256 == sha256 && entry.faulty) return refuse(entry.report.why);
    }
    return found;
  }
};

/// Looks after isolated plugins nobody calls just now: one that died or hangs is found out before it is needed.
class Registry::Heartbeat {
 public:
  explicit Heartbeat(Inner& inner) : inner_(inner), thread_([this] { run(); }) {}
  ~Heartbeat() {
    {
      const std::scoped_lock lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  static constexpr std::chrono::seconds period{5};

  void run() {
    pthread_setname_np(pthread_self(), "plugin-beat");
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, period, [this] { return stop_; })) {
      lock.unlock();
      beat();
      lock.lock();
    }
  }
  void beat() {
    std::vector<GenerationPtr> all;
    {
      const std::scoped_lock lock(inner_.mutex);
      for (const auto& weak : inner_.live) {
        if (auto generation = weak.lock(); generation && generation->remote()) all.push_back(std::move(generation));
      }
    }
    for (const auto& generation : all) {
      const auto blame = generation->remote()->beat();
      if (!blame.empty()) generation->count_failure("stay alive: " + blame);
    }
  }

  Inner& inner_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

Registry::Registry(RegistryOptions options) : inner_(std::make_shared<Inner>()) {
  inner_->options = std::move(options);
}

Registry::~Registry() {
  heartbeat_.reset();
  std::map<std::string, GenerationPtr> formats;  // let go of without the mutex, which their deleters may want
  {
    const std::scoped_lock lock(inner_->mutex);
    formats.swap(inner_->formats);
  }
  formats.clear();
  reap();
}

const RegistryOptions& Registry::options() const {
  return inner_->options;
}

std::vector<Found> Registry::discover() const {
  const std::scoped_lock lock(inner_->looking);
  return plugin::discover(inner_->options.search, inner_->known);
}

std::vector<std::string> Registry::ids(Kind kind) const {
  std::vector<std::string> out;
  for (const Found& found : discover()) {
    if (!found.refused && found.manifest->kind == kind) out.push_back(found.id);
  }
  return out;
}

Result<GenerationPtr> Registry::load(Kind kind, std::string_view id) {
  LECTERN_TRY(Manifest manifest, choose(kind, id, discover(), inner_->options.search));
  return load(std::move(manifest));
}

std::vector<Registry::Loaded> Registry::load_all(Kind kind) {
  std::vector<Loaded> out;
  for (Found& found : discover()) {
    if (found.refused || found.manifest->kind != kind) continue;
    auto generation = load(std::move(*found.manifest));
    out.push_back({std::move(found.id), std::move(generation)});
  }
  return out;
}

Result<GenerationPtr> Registry::load(Manifest manifest) {
  const std::scoped_lock lock(inner_->mutex);
  inner_->reap();
  const auto keep = [&](const GenerationPtr& generation) {
    if (inner_->probing && generation->kind() == Kind::format) inner_->formats[generation->id()] = generation;
    return generation;
  };
  if (const auto known = inner_->unchanged(manifest)) return keep(known);
  const auto before = FileFacts::of(manifest.library_path());
  LECTERN_TRY(const Staged staged, stage_library(manifest.library_path(), inner_->options.staging, manifest.sha256));
  const bool isolated = inner_->isolated(manifest, staged.sha256);
  LECTERN_TRY(GenerationPtr known, inner_->loaded(manifest.id, staged.sha256, isolated));
  if (known != nullptr) {
    inner_->remember(known->manifest(), before, staged.sha256);
    return keep(known);
  }
  const auto number = inner_->next_number;
  const auto& options = inner_->options;
  if (inner_->probing && !isolated)
    LECTERN_CHECK(isolation::probe(
        launch_of(manifest, staged.path, staged.sha256, options.plugin_host, isolation::Limits(options.limits))));
  constexpr std::int64_t not_again_ms = 30'000;
  const auto death = inner_->died_at_load.find(staged.sha256);
  if (isolated && death != inner_->died_at_load.end() && clock::now_ms() - death->second.at_ms < not_again_ms)
    return fail(death->second.error);
  // Whoever let go of the last one of this content is about to bury it. The linker would give the new one the same
  // memory, and to end the old one afterwards would end both.
  while (!isolated && inner_->unended[staged.sha256] > 0) {
    inner_->reap();
    std::this_thread::yield();
  }
  // What ended just now may have been quarantined, and is not loaded again.
  LECTERN_TRY(known, inner_->loaded(manifest.id, staged.sha256, isolated));
  if (known != nullptr) return keep(known);
  auto loaded = isolated ? Generation::isolate(std::move(manifest), staged.path, staged.sha256, number,
                                               options.plugin_host, options.limits, options.services)
                         : Generation::load(std::move(manifest), staged.path, staged.sha256, number, options.services);
  if (!loaded && loaded.error().code == "plugin_died")
    inner_->died_at_load[staged.sha256] = {loaded.error(), clock::now_ms()};
  LECTERN_TRY(auto made, std::move(loaded));
  if (isolated && !heartbeat_) heartbeat_ = std::make_unique<Heartbeat>(*inner_);
  ++inner_->next_number;
  for (const auto& weak : inner_->live) {
    const auto older = weak.lock();
    if (older != nullptr && older->id() == made->id())
      older->drain("generation " + std::to_string(made->number()) + " took its place");
  }
  log::debug("plugins",
             made->id() + " generation " + std::to_string(made->number()) + " is loaded from " + staged.path.string());
  GenerationPtr shared(made.release(),
                       [inner = inner_, held = staged.held](Generation* generation) { inner->bury(generation); });
  if (!isolated) ++inner_->unended[staged.sha256];
  inner_->live.push_back(shared);
  inner_->remember(shared->manifest(), before, staged.sha256);
  return keep(shared);
}

std::vector<std::string> Registry::outdated() {
  std::vector<std::string> out;
  for (const auto& one : report()) {
    if (one.found.refused || !one.found.manifest || one.generations.empty()) continue;
    const auto hash = library_hash(one.found.manifest->library_path());
    const auto& known = one.generations;
    const bool loaded =
        hash && std::any_of(known.begin(), known.end(), [&](const auto& g) { return g.sha256 == *hash; });
    if (hash && !loaded) out.push_back(one.found.id);
  }
  return out;
}

void Registry::probe_from_now_on() {
  const std::scoped_lock lock(inner_->mutex);
  inner_->probing = true;
}

std::size_t Registry::prune() {
  return prune_staged(inner_->options.staging);
}

void Registry::reap() {
  const std::scoped_lock lock(inner_->mutex);
  inner_->reap();
}

std::vector<PluginReport> Registry::report() {
  std::vector<PluginReport> out;
  for (Found& found : discover()) {
    PluginReport one{std::move(found), true, false, {}};
    if (one.found.manifest && inner_->options.trust) {
      const auto hash = library_hash(one.found.manifest->library_path());
      one.trusted = hash && is_trusted(*inner_->options.trust, *hash);
    }
    const auto& ids = inner_->options.isolate;
    one.isolated = !one.trusted || std::find(ids.begin(), ids.end(), one.found.id) != ids.end();
    out.push_back(std::move(one));
  }
  // Their code runs here, and may be slow: nobody else's load waits for it.
  std::map<std::uint64_t, Health> healths;
  for (const auto& generation : inner_->alive()) {
    if (auto health = generation->health()) healths.emplace(generation->number(), std::move(*health));
  }
  const std::scoped_lock lock(inner_->mutex);
  inner_->reap();
  const auto add = [&](const std::string& id, GenerationReport generation) {
    auto at = std::find_if(out.begin(), out.end(), [&](const PluginReport& one) {
      return one.found.id == id && !(one.found.refused && one.found.refused->code == "shadowed");
    });
    if (at == out.end()) {
      Found gone;
      gone.id = id;
      gone.refused = Error{404,
                           "not_found",
                           id + " is loaded, but no longer in the search path",
                           "What runs goes on; a restart will miss it.",
                           {}};
      at = out.insert(out.end(), {std::move(gone), true, false, {}});
    }
    if (const auto health = healths.find(generation.number); health != healths.end())
      generation.health = health->second;
    at->generations.push_back(std::move(generation));
  };
  for (const auto& entry : inner_->kept) add(entry.id, entry.report);
  for (const auto& weak : inner_->live) {
    if (const auto generation = weak.lock()) add(generation->id(), generation->report());
  }
  for (auto& one : out) {
    std::sort(one.generations.begin(), one.generations.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
  }
  return out;
}

std::string Registry::metrics_text() {
  std::vector<std::pair<std::string, std::vector<PluginMetric>>> all;
  for (const auto& generation : inner_->alive()) {
    auto metrics = generation->metrics();
    const auto broken = generation->checker()->total(Side::plugin) + generation->checker()->total(Side::host);
    metrics.push_back({true, "contract_breaches_total", "Breaches of the plugin interface by plugin or host",
                       static_cast<double>(broken)});
    all.emplace_back(generation->id(), std::move(metrics));
  }
  return plugin::metrics_text(all);
}

}  // namespace lectern::plugin
