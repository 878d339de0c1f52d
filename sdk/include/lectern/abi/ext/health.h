/* Extension "health/1", offered by a plugin: how it is doing, in its own words. Shown by `lectern plugins` and
 * GET /api/v1/plugins.
 */
#ifndef LECTERN_ABI_EXT_HEALTH_H
#define LECTERN_ABI_EXT_HEALTH_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LECTERN_EXT_HEALTH "health/1"

enum {
  LECTERN_HEALTH_OK = 0,
  LECTERN_HEALTH_DEGRADED = 1, /* works, but not all of it or not well */
  LECTERN_HEALTH_FAILING = 2   /* does not do its work now */
};

/* OWNERSHIP: the host's; valid during the call; it copies. */
typedef struct lectern_health_out {
  uint32_t struct_size;
  uint32_t reserved;
  void *ctx;
  /* [call] At most once. `state` is LECTERN_HEALTH_*; `summary` one line for people, at most 512 bytes; `details` a JSON
   * object of at most 8 KiB, or empty. FAILURE: LECTERN_INVALID for what is none of that; the plugin shows as failing. */
  lectern_status (*report)(void *ctx, int32_t state, lectern_str summary, lectern_str details) LECTERN_NOEXCEPT;
} lectern_health_out;

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. */
typedef struct lectern_health {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] (initialised) Says how the plugin is: what it knows already, for it must not block. Calls may run side by side,
   * with each other and with everything else. FAILURE: the plugin is shown as failing. No report: as ok. */
  lectern_status (*check)(const lectern_health_out *out) LECTERN_NOEXCEPT;
} lectern_health;

#ifdef __cplusplus
}
#endif
#endif
