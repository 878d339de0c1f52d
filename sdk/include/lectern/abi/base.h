/* Lectern plugin interface 0.2: the types every other header of it uses.
 *
 * Rules of the whole interface (docs/plugins.md is the long form, docs/abi-policy.md says what is stable and for how long):
 * - C11, fixed-width integers, size-prefixed structs that only grow at the end. Reserved fields are zero. A receiver
 *   reads min(struct_size, its own sizeof) bytes and treats the rest as zero: LECTERN_HAS tells whether a field is there.
 * - Text is pointer and length, UTF-8, not terminated. Unless a comment says otherwise it is valid until the call that
 *   received it returns.
 * - No allocation crosses: results go into sinks of the receiver. No exception crosses: every function, both ways, is
 *   noexcept. Handles are 64-bit numbers chosen by the host, never pointers.
 * - No function of a sink asks a question: everything a plugin needs comes with the call. So any plugin can be moved
 *   into a process of its own.
 *
 * The comment of a function says, in this order: its thread tag, the state in which it may be called, what it does, who
 * owns what (OWNERSHIP) and what failure means (FAILURE). Where OWNERSHIP is not said, every argument is the caller's and
 * valid until the call returns: the callee copies what it keeps. Where FAILURE is not said, the function cannot fail.
 *
 * Thread tags:
 *   [control]  some thread of the host that may block for a while; never concurrent with another [control] call
 *   [reactor]  an event loop of the host: must not block; calls about one connection never run concurrently, calls about
 *              different connections may
 *   [referee]  the thread that runs policies: 50 ms per call, never concurrent for one policy object
 *   [worker]   a pool of the host: may block; calls on one object may run concurrently
 *   [any]      any thread; must not block
 *   [call]     of a sink: only during the call that handed the sink over, and on the thread of that call
 *
 * States:
 *   (loaded)      the library is in memory: from the first lectern_plugin_entry until the library is closed
 *   (initialised) from the moment init is called until deinit returns; of host functions, and of get_kind and
 *                 get_extension, which the host calls only after init succeeded
 *   (object)      between a successful create (open of a presence backend) and the call that destroys what it made
 *   (connection)  of a transport: between a successful open and close of that connection
 *   (kernel)      of a runtime: between a successful start and the kernel's last event
 *
 * What a breach costs: an exception that reaches the host is caught where the compiler lets it, counted, and makes the call
 * fail as LECTERN_INTERNAL; out of a function that C++ knows to be noexcept it ends the process, as any C++ program. Other
 * breaches are reported in words by the host's checks (ext/checks.h, `lectern plugins`).
 */
#ifndef LECTERN_ABI_BASE_H
#define LECTERN_ABI_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define LECTERN_NOEXCEPT noexcept
extern "C" {
#else
#define LECTERN_NOEXCEPT
#endif

/* The version of the SDK; the build, the package and the pkg-config file read it here. */
#define LECTERN_SDK_VERSION "0.1.0"

#define LECTERN_ABI_MAJOR 0
#define LECTERN_ABI_MINOR 2

/* True when `object`, whose struct_size its maker filled in, is long enough to hold `field`. Address arithmetic instead
 * of offsetof, which would need the type's name. */
#define LECTERN_HAS(object, field)                                                                       \
  ((size_t)((const char *)&(object)->field - (const char *)(object)) + sizeof((object)->field) <=        \
   (size_t)(object)->struct_size)

typedef struct lectern_str {
  const char *p; /* may be null when n is 0 */
  uint64_t n;    /* bytes */
} lectern_str;

/* What a function returns: 0 or one of these. Text about a failure goes into a lectern_error where there is one. */
typedef int32_t lectern_status;
enum {
  LECTERN_OK = 0,
  LECTERN_INVALID = 1,     /* the input is wrong: malformed, out of range */
  LECTERN_NOT_FOUND = 2,   /* what was named does not exist */
  LECTERN_UNSUPPORTED = 3, /* understood, but not offered here */
  LECTERN_TOO_LARGE = 4,   /* a limit was exceeded */
  LECTERN_UNAVAILABLE = 5, /* cannot be done now; later may work */
  LECTERN_CONFLICT = 6,    /* contradicts the present state */
  LECTERN_INTERNAL = 7     /* the callee's own fault */
};

/* Filled by the callee, owned by the caller. Text is cut to fit and always terminated. */
typedef struct lectern_error {
  uint32_t struct_size;
  int32_t status;      /* a lectern_status */
  uint64_t line;       /* place in a text, from 1; 0 = none */
  uint64_t column;
  char code[48];       /* snake_case, for programs; empty = the host chooses by status */
  char message[512];   /* what was wrong and where, for people */
  char hint[256];      /* what to do; may be empty */
} lectern_error;

/* Takes bytes during the call it was given for. OWNERSHIP: the receiver's; valid during that call. */
typedef struct lectern_sink {
  uint32_t struct_size;
  uint32_t reserved;
  void *ctx;
  /* [call] The next piece; any number of times. FAILURE: the receiver wants no more: stop, and return that status. */
  lectern_status (*write)(void *ctx, lectern_str bytes) LECTERN_NOEXCEPT;
} lectern_sink;

enum { LECTERN_LOG_DEBUG = 0, LECTERN_LOG_INFO = 1, LECTERN_LOG_WARNING = 2, LECTERN_LOG_ERROR = 3 };

/* What the host offers to a plugin. OWNERSHIP: the host's; valid (initialised). */
typedef struct lectern_host {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  void *ctx;
  /* [any] (initialised) One line of the host's log, marked with the plugin's id. Never put secrets in. Lines past the
   * host's rate limit are counted and dropped; ext/log.h has fields and the level that is written. */
  void (*log)(void *ctx, int32_t level, lectern_str message) LECTERN_NOEXCEPT;
  /* [any] (initialised) The host's extension `id` ("log/1"; the headers in ext/ say which there are), or null when this
   * host has none of that id. OWNERSHIP: the host's, constant, valid until deinit returns. */
  const void *(*get_extension)(void *ctx, lectern_str id) LECTERN_NOEXCEPT;
} lectern_host;

#ifdef __cplusplus
}
#endif
#endif
