/* A policy in plain C, from the interface's headers alone: everybody watches and uses widgets, nobody edits. */
#include <lectern/abi/draft/policy.h>
#include <lectern/abi/entry.h>
#include <string.h>

#define TEXT(literal) \
  { literal, sizeof(literal) - 1 }

static lectern_effect new_effect(uint32_t kind) {
  lectern_effect effect;
  memset(&effect, 0, sizeof effect);
  effect.struct_size = sizeof effect;
  effect.kind = kind;
  return effect;
}

static lectern_status deny(uint64_t request, const lectern_policy_out *out) {
  static const lectern_str reason = TEXT("Nobody edits here.");
  lectern_effect effect = new_effect(LECTERN_EFFECT_RESOLVE);
  effect.request = request;
  effect.verdict = LECTERN_DENY;
  effect.text = reason;
  return out->effect(out->ctx, &effect);
}

/* Takes a grant away that an earlier policy gave, and lets the member use widgets as far as its access goes. */
static lectern_status seat(const lectern_member *member, const lectern_policy_out *out) {
  const uint32_t caps = LECTERN_CAP_INTERACT & member->scope;
  if (member->grant == 0 && member->caps == caps) return LECTERN_OK;
  lectern_effect effect = new_effect(member->grant != 0 ? LECTERN_EFFECT_VACATE : LECTERN_EFFECT_SET_CAPS);
  effect.target = member->id;
  effect.caps = caps;
  return out->effect(out->ctx, &effect);
}

/* Seats everybody, or `who` alone. Members and requests are walked by their strides: a newer host's are longer. */
static lectern_status seat_members(const lectern_room *room, uint64_t who, const lectern_policy_out *out) {
  lectern_status status = LECTERN_OK;
  for (uint32_t i = 0; i < room->n_members && status == LECTERN_OK; ++i) {
    const char *at = (const char *)room->members + (size_t)i * room->member_stride;
    const lectern_member *member = (const lectern_member *)at;
    if (who == 0 || member->id == who) status = seat(member, out);
  }
  return status;
}

static lectern_status deny_all(const lectern_room *room, const lectern_policy_out *out) {
  lectern_status status = LECTERN_OK;
  for (uint32_t i = 0; i < room->n_requests && status == LECTERN_OK; ++i) {
    const char *at = (const char *)room->requests + (size_t)i * room->request_stride;
    status = deny(((const lectern_request *)at)->id, out);
  }
  return status;
}

static lectern_status reduce(const void *self, lectern_str state, const lectern_room *room, const lectern_event *event,
                             const lectern_policy_out *out) {
  (void)self;
  (void)state;
  switch (event->kind) {
    case LECTERN_EVENT_INSTALLED: {
      const lectern_status status = seat_members(room, 0, out);
      return status == LECTERN_OK ? deny_all(room, out) : status;
    }
    case LECTERN_EVENT_JOINED:
    case LECTERN_EVENT_RETURNED:
    case LECTERN_EVENT_CHANGED:
      return seat_members(room, event->who, out);
    case LECTERN_EVENT_REQUESTED:
      return deny(event->request, out);
    default:
      return LECTERN_OK;
  }
}

static int is_empty_object(lectern_str text) {
  const char *wanted = "{}";
  for (uint64_t i = 0; i < text.n; ++i) {
    const char c = text.p[i];
    if (c != '\0' && strchr(" \t\r\n", c) != NULL) continue;
    if (*wanted == '\0' || c != *wanted) return 0;
    ++wanted;
  }
  return *wanted == '\0';
}

static lectern_status create(lectern_str config, void **self, lectern_error *error) {
  static const char object = 0; /* there is nothing to remember */
  if (!is_empty_object(config)) {
    if (error != NULL && error->struct_size >= sizeof *error) strcpy(error->message, "watch-only has no settings");
    return LECTERN_INVALID;
  }
  *self = (void *)&object;
  return LECTERN_OK;
}

static void destroy(void *self) {
  (void)self;
}

static lectern_status init(const lectern_host *host, lectern_error *error) {
  (void)host;
  (void)error;
  return LECTERN_OK;
}

static void deinit(void) {}

static const lectern_policy policy = {sizeof(lectern_policy), 0, TEXT(""), TEXT("[]"), create, destroy, reduce};

static const void *get_kind(lectern_str kind) {
  const size_t n = strlen(LECTERN_KIND_POLICY);
  return kind.n == n && memcmp(kind.p, LECTERN_KIND_POLICY, n) == 0 ? &policy : NULL;
}

static const lectern_entry entry = {sizeof(lectern_entry),
                                    LECTERN_ABI_MAJOR,
                                    LECTERN_ABI_MINOR,
                                    0,
                                    TEXT("watch-only"),
                                    TEXT("1.0.0"),
                                    TEXT("C11"),
                                    init,
                                    deinit,
                                    get_kind,
                                    NULL};

const lectern_entry *lectern_plugin_entry(void) {
  return &entry;
}
