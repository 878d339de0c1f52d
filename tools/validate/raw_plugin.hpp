// A plugin loaded by hand, without the host's adapters: what is tried here is exactly what crosses the line.
#pragma once

#include <atomic>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "lectern/abi/entry.h"
#include "plugin/kind.hpp"

namespace lectern::validate {

/// [any] The same function as one that may throw: a plugin in C that calls C++ can, whatever its type says.
template <class R, class... A>
constexpr auto may_throw(R (*function)(A...) noexcept) -> R (*)(A...) {
  return function;
}

/// [any] Runs `body`; what it throws, in words, else empty.
template <class Body>
std::string thrown_by(Body&& body) {
  try {
    body();
    return {};
  } catch (const std::exception& problem) {
    return std::string("threw an exception across the plugin line: ") + problem.what();
  } catch (...) {
    return "threw something that is no std::exception across the plugin line";
  }
}

inline lectern_str to_abi(std::string_view text) {
  return {text.data(), text.size()};
}
/// Empty when the text cannot be looked at.
inline std::string_view view(lectern_str text) {
  return text.n == 0 || text.p == nullptr ? std::string_view() : std::string_view(text.p, text.n);
}
inline lectern_error empty_error() {
  lectern_error made{};
  made.struct_size = sizeof made;
  return made;
}
/// The message of an error that the plugin filled, ended or not.
std::string said(const lectern_error& error);

/// A host for the plugin; it must outlive it. It offers no extension. Notes calls that come when
/// none may.
class TestHost {
 public:
  TestHost();
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;
  lectern_host abi{};
  std::atomic<bool> alive{false};  // between init and deinit
  std::atomic<int> lines{0};       // of log
  std::atomic<int> late{0};        // calls outside of that time
  std::atomic<int> null_texts{0};  // texts with a length and no pointer
};

class RawPlugin {
 public:
  /// [control] dlopen of exactly this file, entry, init. 500 with what failed.
  static Result<std::unique_ptr<RawPlugin>> load(const std::filesystem::path& library);
  /// Closes, if that was not done.
  ~RawPlugin();
  RawPlugin(const RawPlugin&) = delete;
  RawPlugin& operator=(const RawPlugin&) = delete;

  [[nodiscard]] const lectern_entry& entry() const { return entry_; }
  [[nodiscard]] const TestHost& host() const { return host_; }
  /// [control] Null when the plugin does not offer it.
  [[nodiscard]] const void* interface(plugin::Kind kind) const;
  /// [control] deinit and dlclose. True when the library left the address space.
  bool close();

 private:
  RawPlugin() = default;
  std::filesystem::path path_;
  void* handle_ = nullptr;
  lectern_entry entry_{};
  TestHost host_;
};

/// [control] A copy of the library under a path that nothing has open; dlopen of an open path gives the old code.
std::filesystem::path fresh_copy(const std::filesystem::path& library, const std::filesystem::path& work);
/// [any] Looks into /proc/self/maps.
bool is_mapped(const std::filesystem::path& path);

}  // namespace lectern::validate
