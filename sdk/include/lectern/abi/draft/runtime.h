/* Runtime: what runs the code. A plugin starts kernels and speaks for them; queueing, storing outputs and replay are the
 * host's. DRAFT. Calls only hand work over: they never wait for the kernel. What happens is told through events.
 *
 * Which calls meet: those about one kernel come one after the other. Those about different kernels, kernels() and start()
 * may come side by side, so what a plugin knows of all its kernels needs a lock. A kernel that died by itself is still
 * there: restart and shutdown may come for it, and nothing else need work.
 */
#ifndef LECTERN_ABI_RUNTIME_H
#define LECTERN_ABI_RUNTIME_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  LECTERN_KERNEL_STARTING = 1,
  LECTERN_KERNEL_IDLE = 2,
  LECTERN_KERNEL_BUSY = 3,
  LECTERN_KERNEL_RESTARTING = 4,
  LECTERN_KERNEL_DEAD = 5, /* told within a second of its death; `text` says why */
  LECTERN_KERNEL_UNREACHABLE = 6
};

enum {
  LECTERN_RUN_STATE = 1,         /* `value` = LECTERN_KERNEL_*, `text` = why; `json` = kernel_info once it is known;
                                    `metadata` then may be {"front_end_folders":[…]}, as docs/plugins.md says,
                                    and of starting or idle {"process":N}: its process, leading a session of its own,
                                    and {"kept":true}: a promise to keep it, where start was given `keep` */
  LECTERN_RUN_STARTED = 2,       /* `execution` began; `value` = execution_count */
  LECTERN_RUN_STREAM = 3,        /* `name` = stdout or stderr, `text` */
  LECTERN_RUN_OUTPUT = 4,        /* `json` = one nbformat output (display_data, execute_result, error), `name` = display_id */
  LECTERN_RUN_UPDATE = 5,        /* `json` = nbformat display_data that replaces those of display_id `name` */
  LECTERN_RUN_CLEAR = 6,         /* `value` = 1: clear when the next output comes */
  LECTERN_RUN_FINISHED = 7,      /* `execution` ended: `value` LECTERN_FINISHED_*; all its outputs came before; `json` = reply */
  LECTERN_RUN_INPUT = 8,         /* the kernel waits for a line: `text` = prompt, `value` = 1 for a password */
  LECTERN_RUN_REPLY = 9,         /* `request`, the number that the call request had, never 0, is answered with `json`: the
                                    reply's content, one JSON value. Once; one that nobody waits for (any more) is dropped,
                                    and of text that is no JSON the client is told that it is garbled. OWNERSHIP: as of all
                                    events the plugin's, needed until event returns; thread: as of all events of the kernel */
  LECTERN_RUN_COMM_OPEN = 10,    /* `name` = comm id, `text` = target, `json` = data, `buffers`, `metadata` */
  LECTERN_RUN_COMM_MESSAGE = 11, /* `name` = comm id, `json` = data, `buffers` */
  LECTERN_RUN_COMM_CLOSE = 12
};
enum { LECTERN_FINISHED_OK = 0, LECTERN_FINISHED_ERROR = 1, LECTERN_FINISHED_ABORTED = 2 };

typedef struct lectern_runtime_event {
  uint32_t struct_size, kind;
  int64_t value;
  uint64_t execution; /* 0 = outside any execution of ours */
  uint64_t request;
  lectern_str name, text, json, metadata;
  const lectern_str *buffers;
  uint32_t n_buffers, reserved;
} lectern_runtime_event;

/* Where events go. OWNERSHIP: the host's; valid from create until destroy returns. */
typedef struct lectern_runtime_out {
  uint32_t struct_size, reserved;
  void *ctx;
  /* [any] (object) Tells one event; never blocks long, copies. Events of one kernel come from one thread at a time, in
   * order; those of different kernels may come side by side, also during any call of the host. */
  void (*event)(void *ctx, uint64_t kernel, const lectern_runtime_event *event) LECTERN_NOEXCEPT;
} lectern_runtime_out;

/* A comm message from a client to the kernel. */
typedef struct lectern_comm {
  uint32_t struct_size, n_buffers;
  lectern_str kind;     /* "open", "msg", "close" */
  lectern_str comm_id;
  lectern_str target;   /* of "open" */
  lectern_str data;     /* JSON object text */
  lectern_str metadata; /* JSON object text; may be empty */
  const lectern_str *buffers;
} lectern_comm;

/* `flags` of execute, as Jupyter has them: `silent`; `store_history` false; `allow_stdin` false. */
enum { LECTERN_EXECUTE_SILENT = 1, LECTERN_EXECUTE_NO_HISTORY = 2, LECTERN_EXECUTE_NO_STDIN = 4 };

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. */
typedef struct lectern_runtime {
  uint32_t struct_size, reserved;
  /* [control] (initialised) Makes one runtime from its JSON settings. OWNERSHIP: `*self` is the plugin's; the host gives it
   * back to destroy, once; `out` is the host's and valid until destroy returns. FAILURE: there is no object;
   * LECTERN_INVALID for settings, with words that name the wrong one. */
  lectern_status (*create)(lectern_str config, const lectern_runtime_out *out, void **self, lectern_error *error) LECTERN_NOEXCEPT;
  /* [control] (object) Shuts every kernel down but those it promised to keep, joins every thread and frees the object; no
   * event comes after it. */
  void (*destroy)(void *self) LECTERN_NOEXCEPT;
  /* [worker] (object) Writes a JSON array of {"name","display_name","language"} and, where known, "interrupt_mode", "path"
   * (the program) and "by_name_only" (true: never chosen for its language alone): what can be started. OWNERSHIP: `out` is
   * the host's and valid during the call. FAILURE: nothing can; the words say why. */
  lectern_status (*kernels)(void *self, const lectern_sink *out, lectern_error *error) LECTERN_NOEXCEPT;
  /* [worker] (object) Starts kernel `kernel` (a number the host chose, and never chooses again) by name; returns when it is
   * on its way, not when it is up. Its events may come before this returns. `options` = JSON {"cwd","env":{}} and, where
   * the operator set one, "connection_dir"; with "keep":"<folder>" the kernel is to outlive this object and this process:
   * a plugin that can do that keeps there (private; made anew when it is gone) what finds it again, and says so by STATE;
   * any other ignores it. With "take_up":{"life":N,"running":M,"comms":{},"others":M} beside it, the kernel that was kept there
   * goes on in place of a new one: execution M runs in it still (absent: none) and ends by FINISHED, and it had N hosts before,
   * so that ids made with N are new to it. `comms` has, by comm id, the executions that made its comms (numbers as of execute,
   * of any host; 0: not known), at most 20000; absent: none. `others` made all that are not among them; absent: not known. What
   * callbacks of a comm print is told under the number of its maker, however long ago that ended. OWNERSHIP: `name` and `options` are the host's
   * and valid during the call: copy what is needed later; `comms` counts until the kernel ends. A restart makes a new one, kept
   * likewise, and with no comms. FAILURE: there is no such kernel and nothing of it runs; what events of it came are forgotten.
   * LECTERN_NOT_FOUND for a name that cannot be started, and for a kept one that is gone. */
  lectern_status (*start)(void *self, uint64_t kernel, lectern_str name, lectern_str options, lectern_error *error) LECTERN_NOEXCEPT;
  /* [any] (kernel) Runs `code` as `execution`, a number of the host's that is never 0. The host sends the next one only after
   * FINISHED. OWNERSHIP: `code` is the host's; copy it before returning. FAILURE: it does not run and no FINISHED comes. */
  lectern_status (*execute)(void *self, uint64_t kernel, uint64_t execution, lectern_str code, uint32_t flags) LECTERN_NOEXCEPT;
  /* [any] (kernel) Interrupts what runs; FINISHED tells how it ended. Nothing running is no failure. FAILURE: it runs on. */
  lectern_status (*interrupt)(void *self, uint64_t kernel) LECTERN_NOEXCEPT;
  /* [any] (kernel) Ends and starts it again under the same number: what ran is over with it, FINISHED or
   * not; STATE restarting, then starting, then idle, or dead with the reason when it could not be started. FAILURE: it goes
   * on as it was. */
  lectern_status (*restart)(void *self, uint64_t kernel) LECTERN_NOEXCEPT;
  /* [any] (kernel) Ends it; the last event is STATE dead with `text` "shutdown". FAILURE: there is no such kernel. */
  lectern_status (*shutdown)(void *self, uint64_t kernel) LECTERN_NOEXCEPT;
  /* [any] (kernel) Answers LECTERN_RUN_INPUT with one line, without its end. OWNERSHIP: as of execute. FAILURE: nothing was
   * asked, or the line did not get through. */
  lectern_status (*input)(void *self, uint64_t kernel, lectern_str value) LECTERN_NOEXCEPT;
  /* [any] (kernel) Asks `kind` ("complete", "inspect", "is_complete", "history"; "variables", "format" and, where its
   * environment is out of the host's reach, "front_end_file", as far as the kernel can be asked; of one that was taken up
   * "comm_info", Jupyter's own) with JSON content; answered by REPLY with the number `request`, or by nothing when the kernel
   * dies. OWNERSHIP: as of execute. FAILURE: no REPLY comes; LECTERN_UNSUPPORTED for a kind that this kernel does not
   * answer, which the client is told (415). */
  lectern_status (*request)(void *self, uint64_t kernel, uint64_t request, lectern_str kind, lectern_str content) LECTERN_NOEXCEPT;
  /* [any] (kernel) Sends a comm message from a client. OWNERSHIP: `message` and what it points to are the host's; copy before
   * returning. FAILURE: it did not get through. LECTERN_UNSUPPORTED where kernels have no comms. */
  lectern_status (*comm)(void *self, uint64_t kernel, const lectern_comm *message) LECTERN_NOEXCEPT;
} lectern_runtime;

#ifdef __cplusplus
}
#endif
#endif
