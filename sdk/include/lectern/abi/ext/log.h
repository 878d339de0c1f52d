/* Extension "log/1", offered by the host: lines with fields, and the level that is written at all. */
#ifndef LECTERN_ABI_EXT_LOG_H
#define LECTERN_ABI_EXT_LOG_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LECTERN_EXT_LOG "log/1"

typedef struct lectern_log_field {
  lectern_str key;   /* snake_case */
  lectern_str value;
} lectern_log_field;

/* OWNERSHIP: the host's, constant, valid until deinit returns. */
typedef struct lectern_log {
  uint32_t struct_size;
  int32_t lowest_level; /* LECTERN_LOG_*: what is below is not written; no need to make such lines */
  void *ctx;
  /* [any] (initialised) One line, marked with the plugin's id; the fields are shown behind it as key=value. Never put
   * secrets in. A plugin may write 100 lines at once and 20 a second from then on; what is more is dropped, and how much
   * was dropped is said with the next line. A message is cut at 16 KiB, fields at 16 of them with 1 KiB each. */
  void (*write)(void *ctx, int32_t level, lectern_str message, const lectern_log_field *fields,
                uint32_t n_fields) LECTERN_NOEXCEPT;
} lectern_log;

#ifdef __cplusplus
}
#endif
#endif
