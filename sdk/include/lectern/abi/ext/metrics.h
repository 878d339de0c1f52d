/* Extension "metrics/1", offered by the host: counters and gauges of the plugin's own. They appear in /metrics as
 * lectern_plugin_<name>{plugin="<id>"} and start again at 0 with a new generation of the plugin.
 */
#ifndef LECTERN_ABI_EXT_METRICS_H
#define LECTERN_ABI_EXT_METRICS_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LECTERN_EXT_METRICS "metrics/1"

enum {
  LECTERN_METRIC_COUNTER = 1, /* only rises; its name ends in _total */
  LECTERN_METRIC_GAUGE = 2
};

/* OWNERSHIP: the host's, constant, valid until deinit returns. */
typedef struct lectern_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  void *ctx;
  /* [any] (initialised) Makes `metric`, a number the plugin chooses, from 1 to 64. `name` is snake_case of at most 64
   * bytes, `help` one line for people; plugins may share a name when the kind is the same. FAILURE: LECTERN_INVALID for
   * a number, kind or name that is none of these, LECTERN_CONFLICT for a number that is another metric already; adding to
   * it does nothing then. */
  lectern_status (*declare)(void *ctx, uint64_t metric, uint32_t kind, lectern_str name, lectern_str help) LECTERN_NOEXCEPT;
  /* [any] (initialised) Adds to a metric; a counter takes nothing below 0. What was not declared is ignored. */
  void (*add)(void *ctx, uint64_t metric, double by) LECTERN_NOEXCEPT;
  /* [any] (initialised) Sets a gauge. What was not declared as one is ignored, so is a value that is not finite. */
  void (*set)(void *ctx, uint64_t metric, double value) LECTERN_NOEXCEPT;
} lectern_metrics;

#ifdef __cplusplus
}
#endif
#endif
