// The entry of a plugin. One line in one source file makes a class a plugin:
//
//   LECTERN_PLUGIN(lectern::sdk::PolicyOf<MyPolicy>)
//
// Id and version come from lectern_add_plugin(), which writes them into the manifest too, so the two cannot disagree.
#pragma once

#include <string_view>

#include "lectern/abi/entry.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {
namespace detail {

inline const lectern_host*& host() {
  static const lectern_host* current = nullptr;
  return current;
}

inline lectern_status init(const lectern_host* from, lectern_error* error) noexcept {
  if (from == nullptr || from->abi_major != LECTERN_ABI_MAJOR || from->abi_minor < LECTERN_ABI_MINOR) {
    fill(error, LECTERN_UNSUPPORTED, "the host is older than the SDK this plugin was built with");
    return LECTERN_UNSUPPORTED;
  }
  host() = from;
  return LECTERN_OK;
}
inline void deinit() noexcept {
  host() = nullptr;
}
inline const void* no_extension(lectern_str) noexcept {
  return nullptr;
}

template <class... Kinds>
const void* get_kind(lectern_str kind) noexcept {
  const void* found = nullptr;
  (void)((Kinds::kind == view(kind) ? (found = &Kinds::abi(), true) : false) || ...);
  return found;
}

#define LECTERN_SDK_TEXT2(x) #x
#define LECTERN_SDK_TEXT(x) LECTERN_SDK_TEXT2(x)
inline constexpr std::string_view build =
#if defined(__clang__)
    "clang " __clang_version__
#elif defined(__GNUC__)
    "gcc " __VERSION__
#else
    "an unnamed compiler"
#endif
    ", C++ " LECTERN_SDK_TEXT(__cplusplus) ", SDK " LECTERN_SDK_VERSION;

template <class... Kinds>
const lectern_entry* entry(std::string_view id, std::string_view version) noexcept {
  static const lectern_entry made{
      sizeof(lectern_entry), LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, str(id), str(version), str(build), &init, &deinit,
      &get_kind<Kinds...>,   &no_extension};
  return &made;
}

}  // namespace detail

/// [any] One line in the host's log, marked with the plugin's id; lost before init and after deinit. No secrets.
inline void log(int level, std::string_view message) noexcept {
  if (const auto* host = detail::host(); host != nullptr && LECTERN_HAS(host, log)) {
    host->log(host->ctx, level, str(message));
  }
}
inline void log_info(std::string_view message) noexcept {
  log(LECTERN_LOG_INFO, message);
}
inline void log_warning(std::string_view message) noexcept {
  log(LECTERN_LOG_WARNING, message);
}
inline void log_error(std::string_view message) noexcept {
  log(LECTERN_LOG_ERROR, message);
}

}  // namespace lectern::sdk

/// The entry function of a plugin that offers the given kinds (PolicyOf<T>, TransportOf<T>, ...).
#define LECTERN_PLUGIN(...)                                                                       \
  extern "C" LECTERN_EXPORT const lectern_entry* lectern_plugin_entry(void) noexcept {            \
    return ::lectern::sdk::detail::entry<__VA_ARGS__>(LECTERN_PLUGIN_ID, LECTERN_PLUGIN_VERSION); \
  }                                                                                               \
  static_assert(true, "LECTERN_PLUGIN ends with a semicolon or without")
