#include "runtime/catalog.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "runtime/hub.hpp"

namespace lectern::runtime {
namespace {

constexpr std::int64_t reuse_ms = 5'000;

void add_kernels(const std::string& plugin_id, const json::Value& list, std::vector<KernelInfo>& out) {
  if (list.as_array() == nullptr) return;
  for (const auto& entry : *list.as_array()) {
    KernelInfo info;
    info.plugin = plugin_id;
    info.kernel = json::string_or_empty(entry, "name");
    if (info.kernel.empty()) continue;
    info.name = Hub::short_name(plugin_id) + "/" + info.kernel;
    info.display_name = text::label(json::string_or_empty(entry, "display_name"), 128);
    info.language = json::string_or_empty(entry, "language");
    info.path = json::string_or_empty(entry, "path");
    const auto* by_name = entry.find("by_name_only");
    info.by_name_only = by_name != nullptr && by_name->as_bool().value_or(false);
    out.push_back(std::move(info));
  }
}

std::string details(const std::vector<KernelInfo>& known) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("known").begin_array();
  for (const auto& kernel : known) writer.string(kernel.name);
  writer.end_array().end_object();
  return out;
}

tl::unexpected<Error> unknown(std::string_view name, const std::vector<KernelInfo>& known) {
  std::string hint;
  std::vector<std::string> names;
  for (const auto& kernel : known) {
    hint += (hint.empty() ? "known: " : ", ") + kernel.name;
    names.push_back(kernel.name);
    names.push_back(kernel.kernel);
  }
  if (known.empty()) hint = "no kernel was found: install ipykernel, or another Jupyter kernel";
  if (const auto near = text::nearest(name, names); !near.empty()) hint = "did you mean " + near + "? " + hint;
  return fail(400, "unknown_runtime", "there is no runtime \"" + text::label(name, 128) + "\"", hint, details(known));
}

}  // namespace

std::vector<KernelInfo> Catalog::list() {
  const std::scoped_lock lock(mutex_);
  const auto now = clock::now_ms();
  if (cached_ms_ >= 0 && now - cached_ms_ < reuse_ms) return cached_;
  std::vector<KernelInfo> found;
  for (const auto& plugin_id : hub_.plugins()) {
    auto runtime = hub_.runtime(plugin_id);
    auto text = runtime ? (*runtime)->kernels() : Result<std::string>(fail(runtime.error()));
    auto list = text ? json::parse(*text) : Result<json::Value>(fail(text.error()));
    if (list) {
      add_kernels(plugin_id, *list, found);
    } else {
      log::warning("runtime", plugin_id + " cannot say which kernels it has: " + list.error().message);
    }
  }
  cached_ = std::move(found);
  cached_ms_ = now;
  return cached_;
}

Result<KernelInfo> Catalog::resolve(std::string_view name) {
  if (hub_.plugins().empty()) {
    return fail(503, "no_runtime_plugin", "no runtime plugin is loaded, so nothing can run code",
                "`lectern plugins` shows what was found and why something was refused");
  }
  const auto known = list();
  std::vector<const KernelInfo*> matches;
  for (const auto& kernel : known) {
    if (kernel.name == name) return kernel;
    if (kernel.kernel == name) matches.push_back(&kernel);
  }
  if (matches.size() == 1) return *matches.front();
  if (matches.empty()) return unknown(name, known);
  std::string hint;
  for (const auto* match : matches) hint += (hint.empty() ? "say one of " : ", ") + match->name;
  return fail(400, "ambiguous_runtime", "several plugins have a kernel \"" + text::label(name, 128) + "\"", hint,
              details(known));
}

Result<KernelInfo> Catalog::best(std::string_view kernel, std::string_view language) {
  auto exact = resolve(kernel);
  if (exact || exact.error().status == 503) return exact;
  const auto known = list();
  const auto same = std::find_if(known.begin(), known.end(), [&](const KernelInfo& info) {
    return !language.empty() && info.language == language;
  });
  if (same != known.end()) return *same;
  // A notebook that names neither kernel nor language takes what there is; one that does must not get another language.
  if (kernel.empty() && language.empty()) {
    const auto first =
        std::find_if(known.begin(), known.end(), [](const KernelInfo& info) { return !info.by_name_only; });
    if (first != known.end()) return *first;
  }
  return exact;
}

}  // namespace lectern::runtime
