// The entry of a plugin. One line in one source file makes a class a plugin:
//
//   LECTERN_PLUGIN(lectern::sdk::PolicyOf<MyPolicy>)
//
// Id and version come from lectern_add_plugin(), which writes them into the manifest too, so the two cannot disagree.
//
// What the class may have besides, whatever its kind:
//
//   static constexpr std::string_view config_schema = R"({...})";  // JSON Schema of its settings (ext/config_schema.h)
//   static Health health();                                        // how it is doing (sdk/health.hpp)
//   static const void* extension(std::string_view id);             // others; null for an id you do not know
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "lectern/abi/entry.h"
#include "lectern/abi/ext/config_schema.h"
#include "lectern/abi/ext/health.h"
#include "lectern/sdk/checks.hpp"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/health.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {
namespace detail {

/// The host's extension, or null when it has none, or a shorter one than this SDK knows.
template <class T>
const T* ask_host(const lectern_host& host, std::string_view id) noexcept {
  if (!LECTERN_HAS(&host, get_extension) || host.get_extension == nullptr) return nullptr;
  const auto* found = static_cast<const T*>(host.get_extension(host.ctx, str(id)));
  return found != nullptr && found->struct_size >= sizeof(T) ? found : nullptr;
}

inline lectern_status init(const lectern_host* from, lectern_error* error) noexcept {
  if (from == nullptr || !LECTERN_HAS(from, log) || from->abi_major != LECTERN_ABI_MAJOR ||
      from->abi_minor < LECTERN_ABI_MINOR) {
    fill(error, LECTERN_UNSUPPORTED, "the host is older than the SDK this plugin was built with");
    return LECTERN_UNSUPPORTED;
  }
  Services& now = services();
  if (now.host != nullptr) broken("(loaded)", "lectern_entry.init", "was called again without deinit between");
  now.host = from;
  now.log = ask_host<lectern_log>(*from, LECTERN_EXT_LOG);
  now.metrics = ask_host<lectern_metrics>(*from, LECTERN_EXT_METRICS);
  now.checks = ask_host<lectern_checks>(*from, LECTERN_EXT_CHECKS);
  ++now.round;
  return LECTERN_OK;
}
inline void deinit() noexcept {
  Services& now = services();
  now.host = nullptr;
  now.log = nullptr;
  now.metrics = nullptr;
  now.checks = nullptr;
}

template <class... Kinds>
const void* get_kind(lectern_str kind) noexcept {
  const void* found = nullptr;
  (void)((Kinds::kind == view(kind) ? (found = &Kinds::abi(), true) : false) || ...);
  return found;
}

template <class T>
lectern_status report_health(const lectern_health_out* out) noexcept {
  return Call("lectern_health.check").initialised().given(out, "place for the report").run([&] {
    const Health now = T::health();
    check(out->report(out->ctx, now.state, str(now.summary), str(now.details)));
  });
}

/// The extensions that the class T of one kind has.
template <class T>
const void* extension_of(std::string_view id) noexcept {
  if constexpr (requires { T::config_schema; }) {
    static const lectern_config_schema made{sizeof(lectern_config_schema), 0, str(T::config_schema)};
    if (id == LECTERN_EXT_CONFIG_SCHEMA) return &made;
  }
  if constexpr (requires { T::health(); }) {
    static const lectern_health made{sizeof(lectern_health), 0, &report_health<T>};
    if (id == LECTERN_EXT_HEALTH) return &made;
  }
  if constexpr (requires { T::extension(id); }) {
    try {
      return T::extension(id);
    } catch (...) {
      return nullptr;
    }
  }
  return nullptr;
}
/// Of a kind: what its class offers whose functions take one of its objects.
template <class Kind>
const void* extension_of_kind(std::string_view id) noexcept {
  if constexpr (requires { Kind::extension(id); }) {
    if (const auto* found = Kind::extension(id)) return found;
  }
  return extension_of<typename Kind::Plugin>(id);
}
template <class... Kinds>
const void* get_extension(lectern_str id) noexcept {
  const void* found = nullptr;
  (void)((found = extension_of_kind<Kinds>(view(id)), found != nullptr) || ...);
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
  static const lectern_entry made{sizeof(lectern_entry),
                                  LECTERN_ABI_MAJOR,
                                  LECTERN_ABI_MINOR,
                                  0,
                                  str(id),
                                  str(version),
                                  str(build),
                                  &init,
                                  &deinit,
                                  &get_kind<Kinds...>,
                                  &get_extension<Kinds...>};
  return &made;
}

}  // namespace detail

/// [any] One line in the host's log, marked with the plugin's id; lost before init and after deinit. No secrets.
inline void log(int level, std::string_view message) noexcept {
  if (const auto* host = detail::services().host; host != nullptr && LECTERN_HAS(host, log)) {
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

/// [any] The same with fields, shown as key=value: log(LECTERN_LOG_INFO, "mounted", {{"path", path}}). At most 16
/// count.
using LogField = std::pair<std::string_view, std::string_view>;
inline void log(int level, std::string_view message, std::initializer_list<LogField> fields) noexcept {
  const auto* to = detail::services().log;
  if (to == nullptr) return log(level, message);
  if (level < to->lowest_level) return;
  std::array<lectern_log_field, 16> flat;
  std::uint32_t n = 0;
  for (const auto& [key, value] : fields) {
    if (n < flat.size()) flat[n++] = {str(key), str(value)};
  }
  to->write(to->ctx, level, str(message), flat.data(), n);
}
/// [any] True when lines of this level are written at all: ask before making an expensive one.
inline bool logs(int level) noexcept {
  const auto* to = detail::services().log;
  return to == nullptr || level >= to->lowest_level;
}

}  // namespace lectern::sdk

/// The entry function of a plugin that offers the given kinds (PolicyOf<T>, TransportOf<T>, ...).
#define LECTERN_PLUGIN(...)                                                                       \
  extern "C" LECTERN_EXPORT const lectern_entry* lectern_plugin_entry(void) noexcept {            \
    return ::lectern::sdk::detail::entry<__VA_ARGS__>(LECTERN_PLUGIN_ID, LECTERN_PLUGIN_VERSION); \
  }                                                                                               \
  static_assert(true, "LECTERN_PLUGIN ends with a semicolon or without")
