/* A policy in C, from the interface's headers alone: everybody watches, nobody edits. */
#include <lectern/abi/draft/policy.h>
#include <lectern/abi/entry.h>
#include <string.h>

#define TEXT(literal) \
  { literal, sizeof(literal) - 1 }

static const char object = 0;

static lectern_status create(lectern_str config, void** self, lectern_error* error) {
  (void)config;
  (void)error;
  *self = (void*)&object;
  return LECTERN_OK;
}

static void destroy(void* self) {
  (void)self;
}

static lectern_status reduce(const void* self, lectern_str state, const lectern_room* room, const lectern_event* event,
                             const lectern_policy_out* out) {
  (void)self;
  (void)state;
  (void)room;
  if (event->kind != LECTERN_EVENT_REQUESTED) return LECTERN_OK;
  lectern_effect effect;
  memset(&effect, 0, sizeof effect);
  effect.struct_size = sizeof effect;
  effect.kind = LECTERN_EFFECT_RESOLVE;
  effect.request = event->request;
  effect.verdict = LECTERN_DENY;
  const lectern_str text = TEXT("Nobody edits here.");
  effect.text = text;
  return out->effect(out->ctx, &effect);
}

static lectern_status init(const lectern_host* host, lectern_error* error) {
  (void)host;
  (void)error;
  return LECTERN_OK;
}

static void deinit(void) {}

static const lectern_policy policy = {sizeof(lectern_policy), 0, TEXT(""), TEXT("[]"), create, destroy, reduce};

static const void* get_kind(lectern_str kind) {
  const int is_policy =
      kind.n == strlen(LECTERN_KIND_POLICY) && memcmp(kind.p, LECTERN_KIND_POLICY, (size_t)kind.n) == 0;
  return is_policy ? &policy : NULL;
}

static const lectern_entry entry = {sizeof(lectern_entry),
                                    LECTERN_ABI_MAJOR,
                                    LECTERN_ABI_MINOR,
                                    0,
                                    TEXT("nobody-edits"),
                                    TEXT("1.0.0"),
                                    TEXT("plain C"),
                                    init,
                                    deinit,
                                    get_kind,
                                    NULL};

const lectern_entry* lectern_plugin_entry(void) {
  return &entry;
}
