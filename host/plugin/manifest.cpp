#include "plugin/manifest.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "lectern/abi/base.h"

namespace lectern::plugin {

namespace {

constexpr std::size_t max_manifest_bytes = 64u << 10;
constexpr std::string_view suffix = ".plugin.json";

bool is_id(std::string_view id) {
  if (id.empty() || id.size() > 64 || id.front() == '-') return false;
  return std::all_of(id.begin(), id.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

tl::unexpected<Error> bad(const std::filesystem::path& path, const std::string& what, std::string hint = {}) {
  if (hint.empty()) hint = "lectern_add_plugin() writes a right one; docs/plugins.md lists the fields.";
  return fail(422, "bad_manifest", path.string() + ": " + what, std::move(hint));
}

Result<std::uint32_t> version_part(const json::Fields& abi, std::string_view key) {
  LECTERN_TRY(const std::uint64_t value, abi.unsigned_integer(key));
  if (value > std::numeric_limits<std::uint32_t>::max()) {
    return fail(422, "bad_manifest", abi.path_of(key) + " is too large");
  }
  return static_cast<std::uint32_t>(value);
}

Result<std::string> shown(const json::Fields& fields, std::string_view key, std::size_t limit) {
  LECTERN_TRY(const auto value, fields.optional_string(key));
  return text::label(value.value_or(""), limit);
}

Status read_kind(const json::Fields& fields, Manifest& manifest) {
  LECTERN_TRY(const std::string kind, fields.string("kind"));
  const auto known = kind_from(kind);
  if (!known) {
    std::vector<std::string> names;
    for (const Kind one : all_kinds) names.emplace_back(kind_name(one));
    const auto near = text::nearest(kind, names);
    return fail(422, "bad_manifest", "kind is \"" + text::label(kind, 64) + "\"",
                near.empty() ? "The kinds are policy, transport, format, presence and runtime."
                             : "Did you mean \"" + near + "\"?");
  }
  manifest.kind = *known;
  return {};
}

Status read_abi(const json::Fields& fields, Manifest& manifest) {
  LECTERN_TRY(const json::Value* value, fields.object("abi"));
  const json::Fields abi(*value, fields.path_of("abi"));
  LECTERN_TRY(manifest.abi_major, version_part(abi, "major"));
  LECTERN_TRY(manifest.abi_minor, version_part(abi, "minor"));
  return check_abi(manifest.abi_major, manifest.abi_minor, manifest.id);
}

Status read_library(const json::Fields& fields, Manifest& manifest) {
  LECTERN_TRY(manifest.library, fields.string("library"));
  if (!is_file_name(manifest.library)) {
    return fail(422, "bad_manifest", "library is \"" + text::label(manifest.library, 128) + "\"",
                "It must be the name of a file beside the manifest, without any slash.");
  }
  LECTERN_TRY(const auto digest, fields.optional_string("sha256"));
  manifest.sha256 = digest.value_or("");
  if (digest && (digest->size() != 64 || !text::from_hex(*digest))) {
    return fail(422, "bad_manifest", "sha256 must be 64 hex digits");
  }
  return {};
}

Status read_fields(const json::Value& root, Manifest& manifest) {
  const json::Fields fields(root, "manifest");
  LECTERN_CHECK(fields.check());
  LECTERN_TRY(manifest.id, fields.string("id"));
  if (!is_id(manifest.id)) {
    return fail(422, "bad_manifest", "id is \"" + text::label(manifest.id, 64) + "\"",
                "Use lower-case letters, digits and dashes, at most 64.");
  }
  LECTERN_CHECK(read_kind(fields, manifest));
  LECTERN_CHECK(read_abi(fields, manifest));
  LECTERN_CHECK(read_library(fields, manifest));
  LECTERN_TRY(manifest.name, shown(fields, "name", 80));
  if (manifest.name.empty()) manifest.name = manifest.id;
  LECTERN_TRY(manifest.version, shown(fields, "version", 40));
  LECTERN_TRY(manifest.description, shown(fields, "description", 400));
  LECTERN_TRY(manifest.license, shown(fields, "license", 80));
  LECTERN_TRY(manifest.unloadable, fields.boolean_or("unloadable", false));
  LECTERN_TRY(manifest.optional, fields.boolean_or("optional", false));
  return {};
}

}  // namespace

std::filesystem::path Manifest::library_path() const {
  return path.parent_path() / library;
}

Status check_abi(std::uint32_t major, std::uint32_t minor, std::string_view who) {
  if (major == LECTERN_ABI_MAJOR && minor <= LECTERN_ABI_MINOR) return {};
  const auto version = [](std::uint32_t a, std::uint32_t b) { return std::to_string(a) + "." + std::to_string(b); };
  const bool newer = major > LECTERN_ABI_MAJOR || (major == LECTERN_ABI_MAJOR && minor > LECTERN_ABI_MINOR);
  return fail(409, "abi_mismatch",
              std::string(who) + " is for plugin interface " + version(major, minor) + ", this host speaks " +
                  version(LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR),
              newer ? "Use a newer Lectern, or a build of the plugin made with this host's SDK."
                    : "Build the plugin again with this host's SDK.");
}

Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& path) {
  if (text.size() > max_manifest_bytes) return bad(path, "larger than 64 KiB");
  auto root = json::parse(text, {.bytes = max_manifest_bytes, .depth = 8, .nodes = 1000, .unique_keys = true});
  if (!root) return bad(path, root.error().message);
  Manifest manifest;
  manifest.path = path;
  if (auto status = read_fields(*root, manifest); !status) {
    Error error = std::move(status).error();
    if (error.code == "bad_request") {
      error.status = 422;
      error.code = "bad_manifest";
    }
    error.message = path.string() + ": " + error.message;
    return fail(std::move(error));
  }
  const std::string name = path.filename().string();
  if (name != manifest.id + std::string(suffix)) {
    return bad(path, "says id \"" + manifest.id + "\"",
               "Name the file " + manifest.id + std::string(suffix) + ", or mend the id.");
  }
  return manifest;
}

Result<Manifest> read_manifest(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fail(404, "not_found", path.string() + " cannot be read",
                "Check that it exists and that this user may read it.");
  }
  std::string text(max_manifest_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_manifest(text, path);
}

}  // namespace lectern::plugin
