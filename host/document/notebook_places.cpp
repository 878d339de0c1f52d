#include "document/notebook_places.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/error_text.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "document/atomic_file.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

constexpr std::uint64_t kMostIdentityBytes = 64u << 10;

std::string identity_file(const std::string& dir) {
  return dir + "/notebook.json";
}

}  // namespace

NotebookIdentity read_identity(const std::string& dir) {
  NotebookIdentity identity;
  const auto file = read_whole(identity_file(dir), kMostIdentityBytes);
  if (!file) return identity;
  const auto value = json::parse(file->bytes);
  if (!value) return identity;
  for (const auto& [key, text] : {std::pair{"notebook_id", &identity.notebook_id}, std::pair{"path", &identity.path}}) {
    const auto* member = value->find(key);
    if (member != nullptr && member->is_string()) *text = *member->as_string();
  }
  return identity;
}

Status identity_is_readable(const std::string& dir) {
  const auto file = read_whole(identity_file(dir), kMostIdentityBytes);
  if (!file && file.error().code != "not_found") return fail(file.error());
  return {};
}

Status write_identity(const std::string& dir, const NotebookIdentity& identity) {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("notebook_id", identity.notebook_id)
      .member("path", identity.path)
      .end_object();
  LECTERN_CHECK(replace_file(identity_file(dir), out, 0600).map([](auto&&) {}));
  return {};
}

Result<std::string> keep_aside(const std::string& dir, std::string_view name, std::string_view extension) {
  const std::string place = dir + "/" + std::string(name);
  const std::string from = place + std::string(extension);
  const std::string to = place + "-" + std::to_string(clock::wall_ms()) + ".kept" + std::string(extension);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    if (errno == ENOENT) return std::string{};
    return fail(system_error(errno, "keep aside", from));
  }
  return to;
}

NotebookPlaces::NotebookPlaces(std::string notebooks, std::string registry)
    : notebooks_(std::move(notebooks)), registry_file_(std::move(registry)) {}

// ---- the registry ---------------------------------------------------------------------------------------------------

NotebookRegistry* NotebookPlaces::registry() {
  if (registry_file_.empty()) return nullptr;
  const std::scoped_lock lock(mutex_);
  if (std::exchange(tried_, true)) return opened_.get();
  auto opened = NotebookRegistry::open(registry_file_);
  if (!opened) {
    log::warning("document", in_full(opened.error()));
    return nullptr;
  }
  if (!opened->set_aside.empty()) {
    log::warning("document", "the registry of notebooks was damaged; it was kept as " + opened->set_aside +
                                 " and begun anew. Sessions have new ids; no notebook has lost anything.");
    register_all(*opened->registry);
  }
  opened_ = std::move(opened->registry);
  return opened_.get();
}

// Moved notebooks have their state where their first path put it: that has to be known again.
void NotebookPlaces::register_all(NotebookRegistry& registry) const {
  for (const auto& [dir, notebook] : all()) {
    (void)registry.put(notebook.path, {notebook.notebook_id, "", name_of(dir)});
  }
}

std::optional<KnownNotebook> NotebookPlaces::known(const std::string& path) {
  auto* database = registry();
  if (database == nullptr) return std::nullopt;
  auto found = database->find(path);
  if (!found) log::warning("document", found.error().message);
  return found ? std::move(*found) : std::nullopt;
}

void NotebookPlaces::remember(const std::string& path, const KnownNotebook& notebook) {
  auto* database = registry();
  if (database == nullptr) return;
  if (const auto put = database->put(path, notebook); !put) log::warning("document", put.error().message);
}

// ---- state folders --------------------------------------------------------------------------------------------------

std::string NotebookPlaces::usual_state_of(std::string_view path) const {
  return notebooks_ + "/" + crypto::sha256_hex(path);
}

// The folder named after the path may be that of a notebook that was moved away from there.
std::string NotebookPlaces::state_of(const std::string& path, const std::optional<KnownNotebook>& known) const {
  if (known && !known->state.empty() && known->state.find('/') == std::string::npos && known->state[0] != '.') {
    auto dir = notebooks_ + "/" + known->state;
    if (read_identity(dir).notebook_id == known->notebook_id) return dir;
  }
  const auto usual = usual_state_of(path);
  auto dir = usual;
  for (int n = 2;; ++n) {
    const auto owner = read_identity(dir).path;
    if (owner.empty() || owner == path) return dir;
    dir = usual + "-" + std::to_string(n);
  }
}

std::vector<NotebookPlaces::Place> NotebookPlaces::all() const {
  std::vector<Place> found;
  std::error_code error;
  std::filesystem::directory_iterator entry(notebooks_, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    Place one{entry->path().string(), read_identity(entry->path().string())};
    if (!one.notebook.path.empty() && !one.notebook.notebook_id.empty()) found.push_back(std::move(one));
  }
  return found;
}

std::vector<NotebookPlaces::Place> NotebookPlaces::at_or_below(const std::string& path) const {
  auto found = all();
  std::erase_if(found, [&](const Place& one) { return !is_at_or_below(one.notebook.path, path); });
  return found;
}

// ---- what happens to notebooks --------------------------------------------------------------------------------------

// The registry first: what a crash leaves in between, renamed() finds by the old path of the identity.
void NotebookPlaces::moved(const NotebookIdentity& notebook, const std::string& session_id,
                           const std::string& state_dir) {
  remember(notebook.path, {notebook.notebook_id, session_id, name_of(state_dir)});
  if (const auto written = write_identity(state_dir, notebook); !written) {
    log::warning("document", written.error().message);
  }
}

void NotebookPlaces::put_aside(const std::string& path) {
  const auto was = known(path);
  const auto dir = state_of(path, was);
  if (read_identity(dir).path == path) {
    static constexpr std::pair<const char*, const char*> names[] = {
        {"copies", ""}, {"journal", ".lj"}, {"history", ".lj"}, {"outputs", ".json"}, {"notebook", ".json"}};
    for (const auto& [name, extension] : names) {
      const auto kept = keep_aside(dir, name, extension);
      if (!kept) log::warning("document", kept.error().message);
    }
  }
  if (was) remember(path, {crypto::uuid(), "", ""});
}

void NotebookPlaces::renamed(const std::string& from, const std::string& to,
                             const std::function<bool(const NotebookIdentity&)>& goes_along) {
  for (const auto& [dir, notebook] : at_or_below(from)) {
    if (goes_along && !goes_along(notebook)) continue;
    const auto now = to + notebook.path.substr(from.size());
    auto was = known(now);
    if (!was || was->notebook_id != notebook.notebook_id) {
      was = known(notebook.path);
      put_aside(now);
    }
    const bool same = was && was->notebook_id == notebook.notebook_id;
    moved({notebook.notebook_id, now}, same ? was->session_id : std::string(), dir);
  }
}

void NotebookPlaces::folder_removed(const std::string& folder) {
  for (const auto& one : at_or_below(folder)) put_aside(one.notebook.path);
}

void NotebookPlaces::session_ended(const std::string& path) {
  auto was = known(path);
  if (!was || was->session_id.empty()) return;
  was->session_id.clear();
  remember(path, *was);
}

}  // namespace lectern::document
