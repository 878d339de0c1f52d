/* A runtime in plain C, as somebody wrote it for SDK 0.1: up to 64 parrots, each of which says what it was told. */
#include "lectern/abi/draft/runtime.h"
#include "lectern/abi/entry.h"

#include <stdatomic.h>
#include <string.h>

#define TEXT(literal) {literal, sizeof(literal) - 1}
#define MOST 64

static const lectern_runtime_out *out;
static _Atomic uint64_t parrots[MOST]; /* the kernels there are; 0 = a free perch */

static _Atomic uint64_t *perch(uint64_t kernel) {
  for (int i = 0; i < MOST; ++i) {
    if (atomic_load(&parrots[i]) == kernel) return &parrots[i];
  }
  return 0;
}

static void tell(uint64_t kernel, uint32_t kind, int64_t value, uint64_t execution, const char *name, lectern_str text) {
  lectern_runtime_event event;
  memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  event.kind = kind;
  event.value = value;
  event.execution = execution;
  event.name.p = name;
  event.name.n = strlen(name);
  event.text = text;
  out->event(out->ctx, kernel, &event);
}

static const lectern_str nothing = {0, 0};

static lectern_status create(lectern_str config, const lectern_runtime_out *to, void **self, lectern_error *error) {
  (void)config;
  (void)error;
  out = to;
  *self = parrots;
  return LECTERN_OK;
}
static void destroy(void *self) {
  (void)self;
  for (int i = 0; i < MOST; ++i) atomic_store(&parrots[i], 0);
  out = 0;
}

static lectern_status kernels(void *self, const lectern_sink *to, lectern_error *error) {
  (void)self;
  (void)error;
  static const lectern_str list = TEXT("[{\"name\":\"parrot\",\"display_name\":\"Parrot\",\"language\":\"squawk\"}]");
  return to->write(to->ctx, list);
}

static lectern_status start(void *self, uint64_t kernel, lectern_str name, lectern_str options, lectern_error *error) {
  (void)self;
  (void)options;
  if (name.n != 6 || memcmp(name.p, "parrot", 6) != 0) {
    if (error != 0) strcpy(error->message, "there are parrots here and nothing else");
    return LECTERN_NOT_FOUND;
  }
  for (int i = 0; i < MOST; ++i) {
    uint64_t empty = 0;
    if (!atomic_compare_exchange_strong(&parrots[i], &empty, kernel)) continue;
    tell(kernel, LECTERN_RUN_STATE, LECTERN_KERNEL_STARTING, 0, "", nothing);
    tell(kernel, LECTERN_RUN_STATE, LECTERN_KERNEL_IDLE, 0, "", nothing);
    return LECTERN_OK;
  }
  return LECTERN_UNAVAILABLE;
}

static lectern_status execute(void *self, uint64_t kernel, uint64_t execution, lectern_str code, uint32_t flags) {
  (void)self;
  (void)flags;
  if (perch(kernel) == 0) return LECTERN_NOT_FOUND;
  tell(kernel, LECTERN_RUN_STARTED, 1, execution, "", nothing);
  tell(kernel, LECTERN_RUN_STREAM, 0, execution, "stdout", code);
  tell(kernel, LECTERN_RUN_FINISHED, LECTERN_FINISHED_OK, execution, "", nothing);
  return LECTERN_OK;
}
static lectern_status interrupt(void *self, uint64_t kernel) {
  (void)self;
  return perch(kernel) == 0 ? LECTERN_NOT_FOUND : LECTERN_OK;
}
static lectern_status restart(void *self, uint64_t kernel) {
  (void)self;
  if (perch(kernel) == 0) return LECTERN_NOT_FOUND;
  tell(kernel, LECTERN_RUN_STATE, LECTERN_KERNEL_RESTARTING, 0, "", nothing);
  tell(kernel, LECTERN_RUN_STATE, LECTERN_KERNEL_STARTING, 0, "", nothing);
  tell(kernel, LECTERN_RUN_STATE, LECTERN_KERNEL_IDLE, 0, "", nothing);
  return LECTERN_OK;
}
static lectern_status shut_down(void *self, uint64_t kernel) {
  (void)self;
  static const lectern_str why = TEXT("shutdown");
  _Atomic uint64_t *place = perch(kernel);
  if (place == 0) return LECTERN_NOT_FOUND;
  atomic_store(place, 0);
  tell(kernel, LECTERN_RUN_STATE, LECTERN_KERNEL_DEAD, 0, "", why);
  return LECTERN_OK;
}
static lectern_status input(void *self, uint64_t kernel, lectern_str value) {
  (void)self;
  (void)value;
  return perch(kernel) == 0 ? LECTERN_NOT_FOUND : LECTERN_CONFLICT;
}
static lectern_status request(void *self, uint64_t kernel, uint64_t number, lectern_str kind, lectern_str content) {
  (void)self;
  (void)number;
  (void)kind;
  (void)content;
  return perch(kernel) == 0 ? LECTERN_NOT_FOUND : LECTERN_UNSUPPORTED;
}
static lectern_status comm(void *self, uint64_t kernel, const lectern_comm *message) {
  (void)self;
  (void)message;
  return perch(kernel) == 0 ? LECTERN_NOT_FOUND : LECTERN_UNSUPPORTED;
}

static lectern_status init(const lectern_host *from, lectern_error *error) {
  (void)from;
  (void)error;
  return LECTERN_OK;
}
static void deinit(void) {}

static const void *get_kind(lectern_str kind) {
  static const lectern_runtime runtime = {sizeof runtime, 0,       create,    destroy, kernels, start, execute,
                                          interrupt,      restart, shut_down, input,   request, comm};
  return kind.n == strlen(LECTERN_KIND_RUNTIME) && memcmp(kind.p, LECTERN_KIND_RUNTIME, kind.n) == 0 ? &runtime : 0;
}

LECTERN_EXPORT const lectern_entry *lectern_plugin_entry(void) {
  static const lectern_entry entry = {sizeof entry, LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, TEXT("parrot"),
                                      TEXT("0.1.0"), TEXT("cc -std=c11"), init, deinit, get_kind, 0};
  return &entry;
}
