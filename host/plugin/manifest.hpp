// What `<id>.plugin.json` says about a plugin, read and checked without loading any code: the cheapest gate.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "plugin/kind.hpp"

namespace lectern::plugin {

struct Manifest {
  std::string id;  // "local-takeover": lower-case letters, digits and dashes, at most 64
  Kind kind = Kind::policy;
  std::string name;         // for people; the id when the manifest has none
  std::string version;      // the plugin's own
  std::string description;  // may be empty
  std::string license;      // may be empty
  std::uint32_t abi_major = 0;
  std::uint32_t abi_minor = 0;  // the lowest minor of the interface the plugin can live with
  std::string library;          // a file name beside the manifest, never a path
  std::string sha256;           // of the library, hex; empty = not stated
  bool unloadable = false;      // the author vouches that dlclose is safe (docs/plugins.md)
  bool optional = false;        // a host may go without it: its absence is not worth a warning

  std::filesystem::path path;                                // of the manifest itself
  [[nodiscard]] std::filesystem::path library_path() const;  // beside it
};

/// [control] Reads and checks one manifest: at most 64 KiB, guarded JSON, every field named in its error. Unknown keys
/// are ignored, so that newer manifests stay readable. 422 `bad_manifest`, 409 `abi_mismatch`, 404 `not_found`.
Result<Manifest> read_manifest(const std::filesystem::path& path);

/// [any] The same on text; `path` goes into messages and into the result.
Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& path);

/// [any] The version gate, shared by manifest and entry: the same major, a minor not newer than ours.
Status check_abi(std::uint32_t major, std::uint32_t minor, std::string_view who);

}  // namespace lectern::plugin
