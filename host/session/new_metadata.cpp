#include "session/new_metadata.hpp"

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::session {
namespace {

bool is_deno(const runtime::KernelInfo& kernel) {
  return kernel.kernel == "deno";
}

Result<std::string> manager_of(const runtime::KernelInfo& kernel, const CreateRequest& request) {
  const auto& named = request.package_manager;
  if (is_deno(kernel)) {
    if (!named.empty() && named != "deno") {
      return fail(400, "unknown_package_manager", "Deno manages its own packages, not " + text::label(named, 40),
                  "leave package_manager out", R"({"known":["deno"]})");
    }
    if (!request.dependencies.empty()) {
      return fail(400, "no_dependencies", "a Deno notebook has no list of dependencies: its code imports them",
                  "leave dependencies out");
    }
    return std::string("deno");
  }
  if (named.empty()) return std::string(request.dependencies.empty() ? "" : "uv");
  if (named == "pip") return std::string("uv");
  if (named == "mamba") return std::string("conda");
  for (const auto* known : {"uv", "conda", "pixi"}) {
    if (named == known) return named;
  }
  return fail(400, "unknown_package_manager", "there is no package manager '" + text::label(named, 40) + "'",
              "known: uv (also as pip), conda (also as mamba), pixi", R"({"known":["uv","conda","pixi"]})");
}

void write_environment(json::Writer& writer, const std::string& manager, const std::vector<std::string>& dependencies) {
  writer.key("runt").begin_object().member("schema_version", "1").member("env_id", crypto::uuid());
  writer.key(manager).begin_object();
  if (manager == "deno") {
    writer.key("permissions").begin_array().end_array();
  } else {
    writer.key("dependencies").begin_array();
    for (const auto& dependency : dependencies) writer.string(dependency);
    writer.end_array();
    if (manager == "pixi") writer.key("pypi_dependencies").begin_array().end_array();
    if (manager != "uv") writer.key("channels").begin_array().string("conda-forge").end_array();
  }
  writer.end_object().end_object();
}

}  // namespace

Result<std::string> new_metadata(const runtime::KernelInfo& kernel, const CreateRequest& request) {
  LECTERN_TRY(const auto manager, manager_of(kernel, request));
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .key("kernelspec")
      .begin_object()
      .member("display_name", kernel.display_name)
      .member("language", kernel.language)
      .member("name", kernel.kernel)
      .end_object()
      .key("language_info")
      .begin_object()
      .member("name", kernel.language)
      .end_object();
  if (!manager.empty()) write_environment(writer, manager, request.dependencies);
  writer.end_object();
  return out;
}

}  // namespace lectern::session
