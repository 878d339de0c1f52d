#include "session/preparing.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "document/trimming.hpp"
#include "plugin/registry.hpp"
#include "runtime/service.hpp"
#include "session/dependencies.hpp"
#include "session/history.hpp"
#include "session/new_metadata.hpp"
#include "session/notebook_import.hpp"
#include "session/trust_store.hpp"

namespace lectern::session {
namespace {

namespace fs = std::filesystem;

std::string text_at(const json::Value& value, std::string_view outer, std::string_view inner) {
  const auto* object = value.find(outer);
  return object == nullptr ? std::string() : json::string_or_empty(*object, inner);
}

Result<plugin::FormatPtr> find_format(const document::Formats& formats, const document::OpenedNotebook& notebook) {
  if (notebook.file && notebook.file->format) return notebook.file->format;
  return document::format_for_path(notebook.path, formats);
}

constexpr std::string_view built_in = "local-takeover";

// A notebook always opens: when the policy that was chosen had to be taken out, with the one the host comes with.
Result<plugin::PolicyPtr> policy_to_open_with(plugin::Registry& registry, const PolicyChoice& choice) {
  auto chosen = load_policy(registry, choice);
  if (chosen || chosen.error().code != "quarantined" || choice.policy == built_in) return chosen;
  log::warning("policy", chosen.error().message + "; the notebook opens with " + std::string(built_in));
  return load_policy(registry, {std::string(built_in)});
}

// A notebook opens without it: what cells show is then kept by saves alone.
void prepare_outputs(Prepared& prepared, const Services& services) {
  const auto& notebook = prepared.notebook;
  if (notebook.read_only || notebook.temporary || notebook.unwritable) return;
  std::optional<document::Fingerprint> file;
  if (notebook.file) file = notebook.file->fingerprint;
  auto opened = OutputLog::open(*services.journals, notebook.state_dir, file,
                                notebook.start == document::Start::restored, services.runtime->blobs(), {});
  if (opened) {
    prepared.outputs = std::move(*opened);
  } else {
    log::warning("session", "what " + notebook.path + " shows is kept by saves alone, and what the last host had not " +
                                "saved of it is not brought back: " + opened.error().message);
  }
}

// How many times longer than its limit a history may get while it never ends with nobody in the room.
constexpr std::uint64_t patience = 2;

Status finish(Prepared& prepared, const Services& services, const Settings& settings, const PolicyChoice& policy) {
  auto& notebook = prepared.notebook;
  // Whoever opens it is told now what building the document would find out later.
  if (notebook.file && notebook.start != document::Start::restored) {
    const auto fits = document::check_nesting(*notebook.file, document::DocumentLimits{}.max_json_depth);
    if (!fits)
      return fail(fits.error().status, fits.error().code, notebook.path + ": " + fits.error().message,
                  fits.error().hint);
  }
  prepared.held = hold_file(notebook.path);
  if (!notebook.session_id.empty() && !notebook.temporary && !notebook.unwritable) {
    auto found = services.runtime->kept().find(notebook.session_id);
    if (found && !found->dead && !runtime::KeptKernels::held_elsewhere(*found)) {
      services.runtime->kept().add_models(*found);
      prepared.kernel = std::move(found);
    }
  }
  prepared.journal = std::move(notebook.journal);
  LECTERN_TRY(prepared.format, find_format(prepared.formats, notebook));
  LECTERN_TRY(prepared.policy, policy_to_open_with(*services.registry, policy));
  if (notebook.unwritable) {
    prepared.ledger = Ledger::only_read(*services.journals, notebook.state_dir, settings.epoch_block);
  } else {
    LECTERN_TRY(prepared.ledger, Ledger::open(*services.journals, notebook.state_dir, settings.epoch_block));
  }
  if (notebook.start == document::Start::restored) {
    prepared.snapshot_bytes = notebook.restored.snapshot.size() + notebook.restored.sidecar.size();
    LECTERN_TRY(prepared.document,
                restore_notebook(notebook.restored, document::DocumentLimits::of(settings.file_limits)));
    // Somebody who was here when the host died may come back with edits on the old history.
    const auto limit = settings.history_operations * (prepared.ledger.state.left ? 1 : patience);
    if (!notebook.unwritable) {
      LECTERN_CHECK(document::trim_past(notebook, *prepared.journal, *prepared.document, limit));
    }
  }
  LECTERN_CHECK(prepare_history(prepared, *services.journals, settings));
  prepare_outputs(prepared, services);
  return {};
}

void read_kernel_wish(Prepared& prepared, std::string_view metadata_json) {
  const auto metadata = json::parse(metadata_json);
  if (!metadata) return;
  prepared.runtime = text_at(*metadata, "kernelspec", "name");
  prepared.language = text_at(*metadata, "language_info", "name");
  if (prepared.language.empty()) prepared.language = text_at(*metadata, "kernelspec", "language");
}

// Whatever else can be written, a new notebook is one that everybody reads: where its format is missing, the error says
// so.
constexpr const char* new_extension = ".ipynb";

// Two who make a notebook at the same moment find the same name free, since its file comes later: the claim decides
// between those of this host, the lease between hosts.
Status create_untitled(Prepared& prepared, const Services& services, const std::string& folder, const Hold& hold) {
  const auto prefix = folder.empty() ? folder : folder + "/";
  for (int n = 0; n < 1000; ++n) {
    const std::string name = (n == 0 ? "untitled" : "untitled-" + std::to_string(n)) + new_extension;
    LECTERN_TRY(const auto where, services.paths->resolve(prefix + name));
    if (where.kind != document::PathKind::missing) continue;
    auto claim = hold(where.path);
    if (!claim) continue;
    auto made = services.store->create_new(where, prepared.formats);
    if (!made && (made.error().code == "exists" || made.error().code == "open_elsewhere")) continue;
    LECTERN_TRY(prepared.notebook, std::move(made));
    prepared.claim = std::move(*claim);
    return {};
  }
  return fail(409, "path_exists", "the folder has a thousand untitled notebooks", "give the new one a path");
}

Result<document::ResolvedPath> ephemeral_place(const Services& services) {
  std::error_code error;
  const auto folder = fs::path(services.state_dir) / "ephemeral";
  fs::create_directories(folder, error);
  if (error) return fail(500, "io_error", "cannot make " + folder.string() + ": " + error.message());
  document::ResolvedPath where;
  where.path = (folder / (crypto::uuid() + new_extension)).string();
  where.writable = true;
  return where;
}

Status create_file(Prepared& prepared, const Services& services, const CreateRequest& request, const Hold& hold) {
  if (request.ephemeral) {
    LECTERN_TRY(const auto where, ephemeral_place(services));
    LECTERN_TRY(prepared.notebook, services.store->create_new(where, prepared.formats));
    return {};
  }
  if (request.path.empty()) return create_untitled(prepared, services, request.working_dir, hold);
  LECTERN_TRY(const auto where, services.paths->resolve(request.path));
  const auto path_exists = fail(409, "path_exists", "there is something at " + where.relative + " already",
                                "open it, or choose another path");
  if (where.kind != document::PathKind::missing) return path_exists;
  auto claim = hold(where.path);
  if (!claim) return path_exists;  // somebody here opens or makes it just now
  auto made = services.store->create_new(where, prepared.formats);
  if (!made && made.error().code == "exists") return path_exists;
  LECTERN_TRY(prepared.notebook, std::move(made));
  prepared.claim = std::move(*claim);
  return {};
}

// Exactly one empty code cell.
Status begin_new(Prepared& prepared, const std::optional<runtime::KernelInfo>& kernel, const CreateRequest& request) {
  prepared.created.metadata_json = "{}";
  if (kernel) {
    prepared.runtime = kernel->name;
    prepared.language = kernel->language;
    LECTERN_TRY(prepared.created.metadata_json, new_metadata(*kernel, request));
  }
  auto& cell = prepared.created.cells.emplace_back();
  cell.id = crypto::uuid().substr(0, 8);
  cell.cell_type = "code";
  return {};
}

// For a new notebook nobody named a runtime for. Without any the notebook is still written and read.
std::optional<runtime::KernelInfo> best_kernel(const Services& services) {
  auto& catalog = services.runtime->catalog();
  auto found = catalog.best("python3", "python");
  if (!found) found = catalog.best("", "");
  if (found) return std::move(*found);
  auto known = catalog.list();
  return known.empty() ? std::nullopt : std::optional(std::move(known.front()));
}

}  // namespace

document::Formats load_formats(plugin::Registry& registry) {
  document::Formats formats;
  for (auto& [id, generation] : registry.load_all(plugin::Kind::format)) {
    auto format = generation ? plugin::Format::create(*generation) : fail(generation.error());
    if (format) {
      formats.push_back(std::move(*format));
    } else {
      log::warning("plugins", "'" + id + "' is left out: " + format.error().message);
    }
  }
  return formats;
}

Result<plugin::PolicyPtr> load_policy(plugin::Registry& registry, const PolicyChoice& choice) {
  LECTERN_TRY(auto generation, registry.load(plugin::Kind::policy, choice.policy));
  return plugin::Policy::create(std::move(generation), choice.config.empty() ? "{}" : choice.config);
}

namespace {

// Of the disk that keeps edits safe. What is wrong with the notebook's own file is found before anything is written.
bool the_disk_refused(const Error& error) {
  static constexpr std::string_view codes[] = {"disk_full", "io_error", "permission_denied", "journal_failed",
                                               "journal_unreadable"};
  return std::find(std::begin(codes), std::end(codes), error.code) != std::end(codes);
}

Result<Prepared> prepared_from(const Services& services, const Settings& settings, const PolicyChoice& policy,
                               Result<document::OpenedNotebook> opened, document::Formats formats) {
  if (!opened) return fail(std::move(opened).error());
  Prepared prepared;
  prepared.formats = std::move(formats);
  prepared.notebook = std::move(*opened);
  services.trust->refresh();
  if (!prepared.notebook.file && prepared.notebook.start == document::Start::imported) {
    LECTERN_CHECK(begin_new(prepared, best_kernel(services), {}));
  }
  if (const auto& file = prepared.notebook.file) {
    read_kernel_wish(prepared, file->metadata);
  }
  LECTERN_CHECK(finish(prepared, services, settings, policy));
  return prepared;
}

}  // namespace

Result<Prepared> prepare_open(const Services& services, const Settings& settings, const PolicyChoice& policy,
                              const document::ResolvedPath& where, bool watch) {
  const auto formats = load_formats(*services.registry);
  auto opened = services.store->open(where, formats);
  if (!opened && watch && opened.error().code == "open_elsewhere") {
    opened = services.store->open_to_watch(where, formats);
  }
  auto prepared = prepared_from(services, settings, policy, std::move(opened), formats);
  if (prepared || !the_disk_refused(prepared.error())) return prepared;
  auto to_read = prepared_from(services, settings, policy,
                               services.store->open_to_read(where, formats, prepared.error()), formats);
  if (!to_read) {
    log::warning("session", where.path + " cannot be shown for reading either. " + to_read.error().message);
    return prepared;
  }
  log::warning("session", where.path + " is opened for reading only. " + prepared.error().message);
  return to_read;
}

Result<Prepared> prepare_create(const Services& services, const Settings& settings, const PolicyChoice& policy,
                                const CreateRequest& request, const Hold& hold) {
  if (request.ephemeral && !request.path.empty()) {
    return fail(json::error_at("body.path", " and body.ephemeral: an ephemeral notebook has no file of its own",
                               "leave one of them out"));
  }
  Prepared prepared;
  prepared.formats = load_formats(*services.registry);
  LECTERN_TRY(const auto kernel, services.runtime->catalog().resolve(request.runtime));
  if (!request.working_dir.empty()) {
    LECTERN_TRY(const auto folder, services.paths->resolve(request.working_dir));
    if (folder.kind != document::PathKind::folder) {
      return fail(404, "not_found", "there is no folder " + request.working_dir,
                  "make it first, or leave out working_dir");
    }
    prepared.cwd = folder.path;
  }
  LECTERN_CHECK(begin_new(prepared, kernel, request));  // before there is anything on the disk
  LECTERN_CHECK(create_file(prepared, services, request, hold));
  LECTERN_CHECK(finish(prepared, services, settings, policy));
  // Whoever names dependencies has consented to them.
  LECTERN_CHECK(services.trust->approve(dependencies_of(prepared.created.metadata_json)));
  return prepared;
}

Result<Prepared> prepare_untitled(const Services& services, const Settings& settings, const PolicyChoice& policy,
                                  const std::string& folder, const Hold& hold) {
  Prepared prepared;
  prepared.formats = load_formats(*services.registry);
  LECTERN_CHECK(create_untitled(prepared, services, folder, hold));
  prepared.cwd = folder;
  LECTERN_CHECK(begin_new(prepared, best_kernel(services), {}));
  LECTERN_CHECK(finish(prepared, services, settings, policy));
  return prepared;
}

}  // namespace lectern::session
