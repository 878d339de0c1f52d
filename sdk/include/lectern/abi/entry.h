/* The one function a plugin exports, and what it returns. */
#ifndef LECTERN_ABI_ENTRY_H
#define LECTERN_ABI_ENTRY_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LECTERN_KIND_POLICY "policy"
#define LECTERN_KIND_TRANSPORT "transport"
#define LECTERN_KIND_FORMAT "format"
#define LECTERN_KIND_PRESENCE "presence"
#define LECTERN_KIND_RUNTIME "runtime"

/* OWNERSHIP: the plugin's, constant, valid (loaded). */
typedef struct lectern_entry {
  uint32_t struct_size;
  uint32_t abi_major;  /* LECTERN_ABI_MAJOR the plugin was built with: the host takes its own major only */
  uint32_t abi_minor;  /* the lowest minor the plugin needs: the host takes it when its own is not lower */
  uint32_t reserved;
  lectern_str id;      /* "local-takeover": the same as in the manifest */
  lectern_str version; /* the plugin's own, "1.2.0" */
  lectern_str build;   /* compiler and flags, for reports; may be empty */
  /* [control] (loaded) Called before anything else; may be called again after deinit. OWNERSHIP: `host` stays the host's
   * and valid until deinit returns; `error` may be null. FAILURE: the plugin is refused with the error's words; neither
   * deinit nor anything else is called, so nothing may be left running. */
  lectern_status (*init)(const lectern_host *host, lectern_error *error) LECTERN_NOEXCEPT;
  /* [control] (initialised) Called once per successful init, when no object of the plugin is left. Plugin threads are
   * joined here: nothing of the plugin runs when it returns. */
  void (*deinit)(void) LECTERN_NOEXCEPT;
  /* [control] (initialised) The interface of a kind (a `const lectern_policy *` for "policy"), or null when the plugin
   * does not offer that kind. OWNERSHIP: the plugin's, constant, valid until deinit returns. FAILURE: a kind the manifest
   * names and null here: the plugin is refused. */
  const void *(*get_kind)(lectern_str kind) LECTERN_NOEXCEPT;
  /* [any] (initialised) The plugin's extension `id` ("health/1"), or null. The slot itself may be null: no extensions.
   * OWNERSHIP: the plugin's, constant, valid until deinit returns. */
  const void *(*get_extension)(lectern_str id) LECTERN_NOEXCEPT;
} lectern_entry;

#if defined(_WIN32)
#define LECTERN_EXPORT __declspec(dllexport)
#else
#define LECTERN_EXPORT __attribute__((visibility("default")))
#endif

/* [control] (loaded) The entry; never null, the same at each call. A function, not a data symbol, because only functions
 * are safe to look up everywhere (as PostgreSQL's module magic argues). */
LECTERN_EXPORT const lectern_entry *lectern_plugin_entry(void) LECTERN_NOEXCEPT;

#ifdef __cplusplus
}
#endif
#endif
