/* Extension "checks/1", offered by the host: how closely both sides are watched (the host's setting plugin_checks), and
 * where a plugin says that the host broke the contract. The C++ wrapper does it (sdk/checks.hpp).
 */
#ifndef LECTERN_ABI_EXT_CHECKS_H
#define LECTERN_ABI_EXT_CHECKS_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LECTERN_EXT_CHECKS "checks/1"

enum {
  LECTERN_CHECKS_OFF = 0,
  LECTERN_CHECKS_MINIMAL = 1, /* what costs next to nothing: null pointers, states, sinks after their call, overlaps */
  LECTERN_CHECKS_MAXIMAL = 2  /* also what costs: every text's encoding, use after destroy, whether reduce is pure */
};

/* OWNERSHIP: the host's, constant, valid until deinit returns. */
typedef struct lectern_checks {
  uint32_t struct_size;
  int32_t level; /* LECTERN_CHECKS_* */
  void *ctx;
  /* [any] (initialised) The host broke the contract: `tag` is the thread tag or state that was broken ("[control]",
   * "(object)"), `where` the function ("lectern_policy.reduce"), `what` says in words what happened. The host logs and
   * counts it. */
  void (*broken)(void *ctx, lectern_str tag, lectern_str where, lectern_str what) LECTERN_NOEXCEPT;
} lectern_checks;

#ifdef __cplusplus
}
#endif
#endif
