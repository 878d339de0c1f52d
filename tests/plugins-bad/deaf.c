/* A policy in C that does not look at what the host's sinks say, takes any settings, and copies errors without looking
 * at how much room there is. */
#include <stdlib.h>

#include "lectern/abi/draft/policy.h"
#include "lectern/abi/entry.h"

static lectern_str text(const char *p, uint64_t n) {
  lectern_str made = {p, n};
  return made;
}

static lectern_status create(lectern_str config, void **self, lectern_error *error) {
  (void)config;
  (void)error;
  int *counter = malloc(sizeof *counter); /* not looked at either */
  *counter = 0;
  *self = counter;
  return LECTERN_OK;
}
static void destroy(void *self) {
  free(self);
}

static lectern_status reduce(const void *self, lectern_str state, const lectern_room *room, const lectern_event *event,
                             const lectern_policy_out *out) {
  (void)self;
  (void)state;
  (void)event;
  for (uint32_t i = 0; i < room->n_members; ++i) {
    lectern_effect effect = {0};
    effect.struct_size = sizeof effect;
    effect.kind = LECTERN_EFFECT_NOTICE;
    effect.target = room->members[i].id; /* by index, where a stride is given */
    effect.text = text("hello", 5);
    out->effect(out->ctx, &effect);
  }
  return LECTERN_OK;
}

static const lectern_policy policy = {sizeof(lectern_policy), 0, {NULL, 0}, {NULL, 0}, create, destroy, reduce};

static lectern_status init(const lectern_host *host, lectern_error *error) {
  (void)host;
  (void)error;
  return LECTERN_OK;
}
static void deinit(void) {}
static const void *get_kind(lectern_str kind) {
  return kind.n == 6 && kind.p[0] == 'p' && kind.p[1] == 'o' ? &policy : NULL;
}

LECTERN_EXPORT const lectern_entry *lectern_plugin_entry(void) {
  static const lectern_entry entry = {.struct_size = sizeof(lectern_entry),
                                      .abi_major = LECTERN_ABI_MAJOR,
                                      .abi_minor = LECTERN_ABI_MINOR,
                                      .id = {"deaf", 4},
                                      .version = {"0.1.0", 5},
                                      .init = init,
                                      .deinit = deinit,
                                      .get_kind = get_kind};
  return &entry;
}
