/* Presence backend: how devices learn of each other's live sessions. A dumb store of records; validation, freshness,
 * dedupe and exclusion of one's own are the host's. DRAFT. Every function may block and is called with a deadline by the
 * host, which gives up on it after that and shows the backend as degraded.
 */
#ifndef LECTERN_ABI_PRESENCE_H
#define LECTERN_ABI_PRESENCE_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lectern_presence_sink { /* OWNERSHIP: the host's; valid during the call; it copies */
  uint32_t struct_size, reserved;
  void *ctx;
  /* [call] One record; `origin` says where it was found (a file name), for reports. FAILURE: the host wants no more: stop,
   * and return that status. */
  lectern_status (*record)(void *ctx, lectern_str origin, lectern_str record) LECTERN_NOEXCEPT;
  /* [call] Something that is no record, and why. FAILURE: as of record. */
  lectern_status (*rejected)(void *ctx, lectern_str origin, lectern_str reason) LECTERN_NOEXCEPT;
} lectern_presence_sink;

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. */
typedef struct lectern_presence {
  uint32_t struct_size, reserved;
  uint64_t lag_ms;        /* how long a record takes to reach others, about */
  uint64_t min_period_ms; /* the host does not publish more often */
  /* [control] (initialised) Makes one backend from its JSON settings. OWNERSHIP: `*self` is the plugin's; the host gives it
   * back to close, once. FAILURE: there is no object; LECTERN_INVALID for settings, with words that name the wrong one. */
  lectern_status (*open)(lectern_str config, void **self, lectern_error *error) LECTERN_NOEXCEPT;
  /* [control] (object) Frees it; no call of it runs or follows. Records stay: the host removes its own before. */
  void (*close)(void *self) LECTERN_NOEXCEPT;
  /* [worker] (object) Replaces this instance's record: one JSON object for all its sessions (docs/presence.md). Readers see
   * the old or the new, never a mixture. Never touches records of others. FAILURE: the old record may still be there; the
   * backend shows as degraded and the host tries again. */
  lectern_status (*publish)(void *self, lectern_str device_id, lectern_str instance_id, lectern_str record,
                            lectern_error *error) LECTERN_NOEXCEPT;
  /* [worker] (object) Removes leftovers of an instance of our own device that ended. Nothing there is no failure. FAILURE:
   * as of publish. */
  lectern_status (*remove)(void *self, lectern_str device_id, lectern_str instance_id, lectern_error *error) LECTERN_NOEXCEPT;
  /* [worker] (object) All records there are, ours included. One bad record is rejected, the others are still given.
   * FAILURE: nothing of what was given is used; the last good snapshot ages. */
  lectern_status (*snapshot)(void *self, const lectern_presence_sink *out, lectern_error *error) LECTERN_NOEXCEPT;
} lectern_presence;

#ifdef __cplusplus
}
#endif
#endif
