// The format in this program, started as a host starts it: without init every read ends before it begins.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "lectern/abi/draft/format.h"
#include "lectern/abi/entry.h"

namespace lectern::fuzz {

inline const lectern_format& started_format() {
  static const auto* const format = [] {
    static lectern_host host{};
    host.struct_size = sizeof host;
    host.abi_major = LECTERN_ABI_MAJOR;
    host.abi_minor = LECTERN_ABI_MINOR;
    lectern_error error{};
    error.struct_size = sizeof error;
    if (lectern_plugin_entry()->init(&host, &error) != LECTERN_OK) {
      std::fprintf(stderr, "the plugin does not start: %s\n", error.message);
      std::abort();
    }
    return static_cast<const lectern_format*>(lectern_plugin_entry()->get_kind({"format", 6}));
  }();
  return *format;
}

}  // namespace lectern::fuzz
