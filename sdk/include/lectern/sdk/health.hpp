// How a plugin is doing, in its own words: give the plugin's class a static function
//
//   static Health health() { return last_write_failed ? Health::degraded("the folder is read-only") : Health::ok(); }
//
// and the host shows it (`lectern plugins`, GET /api/v1/plugins). [any]: it must not block, and runs beside everything
// else.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "lectern/abi/ext/health.h"

namespace lectern::sdk {

struct Health {
  std::int32_t state = LECTERN_HEALTH_OK;  // LECTERN_HEALTH_*
  std::string summary;                     // one line, at most 512 bytes
  std::string details;                     // a JSON object, or empty

  static Health ok(std::string summary = {}, std::string details = {}) {
    return {LECTERN_HEALTH_OK, std::move(summary), std::move(details)};
  }
  static Health degraded(std::string summary, std::string details = {}) {
    return {LECTERN_HEALTH_DEGRADED, std::move(summary), std::move(details)};
  }
  static Health failing(std::string summary, std::string details = {}) {
    return {LECTERN_HEALTH_FAILING, std::move(summary), std::move(details)};
  }
};

}  // namespace lectern::sdk
