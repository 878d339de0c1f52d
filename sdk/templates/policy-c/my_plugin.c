/* A policy in plain C: who has the pen keeps it until giving it back. What each event and effect carries is told in
 * lectern/abi/draft/policy.h. reduce must be pure: the same state, room and event give the same effects. */
#include <lectern/abi/draft/policy.h>
#include <lectern/abi/entry.h>
#include <string.h>

#define TEXT(literal) \
  { literal, sizeof(literal) - 1 }

static const lectern_str only_watch = TEXT("You may only watch.");
static const lectern_str be_patient = TEXT("Wait until the pen is free.");

/* Members are walked by their stride, not by index: a newer host's are longer. */
static const lectern_member *member_at(const lectern_room *room, uint32_t i) {
  return (const lectern_member *)((const char *)room->members + (size_t)i * room->member_stride);
}

static const lectern_member *find_member(const lectern_room *room, uint64_t id) {
  for (uint32_t i = 0; i < room->n_members; ++i) {
    if (member_at(room, i)->id == id) return member_at(room, i);
  }
  return NULL;
}

static int may_edit(const lectern_member *member) {
  return (member->scope & LECTERN_CAP_EDIT) != 0 && (member->flags & LECTERN_MEMBER_VIEW_ONLY) == 0;
}

static lectern_effect new_effect(uint32_t kind, uint64_t target) {
  lectern_effect effect;
  memset(&effect, 0, sizeof effect); /* what a kind of effect does not use is zero */
  effect.struct_size = sizeof effect;
  effect.kind = kind;
  effect.target = target;
  effect.caps = LECTERN_CAP_INTERACT;
  return effect;
}

static lectern_status take(const lectern_policy_out *out, lectern_effect effect) {
  return out->effect(out->ctx, &effect);
}

static lectern_status welcome(const lectern_room *room, const lectern_member *member, const lectern_policy_out *out) {
  if (member == NULL || member->grant != 0) return LECTERN_OK;
  if (room->holder == 0 && may_edit(member) && member->presence != LECTERN_LOST) {
    return take(out, new_effect(LECTERN_EFFECT_GRANT, member->id));
  }
  lectern_effect effect = new_effect(LECTERN_EFFECT_SET_CAPS, member->id);
  effect.caps &= member->scope; /* never more than its access includes */
  return effect.caps == member->caps ? LECTERN_OK : take(out, effect);
}

static lectern_status decide(const lectern_room *room, uint64_t request, const lectern_member *asker,
                             const lectern_policy_out *out) {
  lectern_effect effect = new_effect(LECTERN_EFFECT_RESOLVE, 0);
  const int allowed = asker != NULL && may_edit(asker) && room->holder == 0;
  effect.request = request;
  effect.verdict = allowed ? LECTERN_ALLOW : LECTERN_DENY;
  if (!allowed) effect.text = asker != NULL && may_edit(asker) ? be_patient : only_watch;
  return take(out, effect);
}

/* Somebody loses the right to edit: the access changed, or another editor stays after a swap of policies. */
static lectern_status vacate(const lectern_member *member, const lectern_policy_out *out) {
  lectern_effect effect = new_effect(LECTERN_EFFECT_VACATE, member->id);
  effect.caps &= member->scope;
  return take(out, effect);
}

/* After a swap several people may hold grants; one of them stays, and open requests are decided anew. */
static lectern_status settle(const lectern_room *room, const lectern_policy_out *out) {
  const lectern_member *keeper = NULL;
  for (uint32_t i = 0; i < room->n_members; ++i) {
    const lectern_member *member = member_at(room, i);
    if (member->grant != 0 && may_edit(member) && (keeper == NULL || member->id == room->holder)) keeper = member;
  }
  lectern_room settled = *room;
  settled.holder = keeper == NULL ? 0 : keeper->id;
  for (uint32_t i = 0; i < room->n_members; ++i) {
    const lectern_member *member = member_at(room, i);
    lectern_status status = LECTERN_OK;
    if (member != keeper && member->grant != 0) {
      status = vacate(member, out);
    } else if (member->grant == 0 && member->caps != (LECTERN_CAP_INTERACT & member->scope)) {
      lectern_effect effect = new_effect(LECTERN_EFFECT_SET_CAPS, member->id);
      effect.caps &= member->scope;
      status = take(out, effect);
    }
    if (status != LECTERN_OK) return status;
  }
  for (uint32_t i = 0; i < room->n_requests; ++i) {
    const lectern_request *request =
        (const lectern_request *)((const char *)room->requests + (size_t)i * room->request_stride);
    const lectern_member *asker = find_member(room, request->from);
    const lectern_status status = decide(&settled, request->id, asker, out);
    if (status != LECTERN_OK) return status;
    if (settled.holder == 0 && asker != NULL && may_edit(asker)) settled.holder = asker->id;
  }
  return LECTERN_OK;
}

static lectern_status reduce(const void *self, lectern_str state, const lectern_room *room, const lectern_event *event,
                             const lectern_policy_out *out) {
  const lectern_member *who = find_member(room, event->who);
  (void)self;
  (void)state;
  switch (event->kind) {
    case LECTERN_EVENT_INSTALLED:
      return settle(room, out);
    case LECTERN_EVENT_JOINED:
    case LECTERN_EVENT_RETURNED:
      return welcome(room, who, out);
    case LECTERN_EVENT_CHANGED:
      return who != NULL && who->grant != 0 && !may_edit(who) ? vacate(who, out) : LECTERN_OK;
    case LECTERN_EVENT_REQUESTED:
      return decide(room, event->request, who, out);
    default: /* who leaves, is lost or gives the pen back changes nothing for the others */
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

/* The settings: none, so anything but an empty object is a mistake. */
static lectern_status create(lectern_str config, void **self, lectern_error *error) {
  static const char object = 0;
  if (!is_empty_object(config)) {
    if (error != NULL && error->struct_size >= sizeof *error) strcpy(error->message, "this policy has no settings");
    return LECTERN_INVALID;
  }
  *self = (void *)&object; /* something that is not null; reduce needs no memory of its own */
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

/* Id and version come from lectern_add_plugin(), which writes them into the manifest too. */
static const lectern_entry entry = {sizeof(lectern_entry),
                                    LECTERN_ABI_MAJOR,
                                    LECTERN_ABI_MINOR,
                                    0,
                                    TEXT(LECTERN_PLUGIN_ID),
                                    TEXT(LECTERN_PLUGIN_VERSION),
                                    TEXT("C11"),
                                    init,
                                    deinit,
                                    get_kind,
                                    NULL};

const lectern_entry *lectern_plugin_entry(void) {
  return &entry;
}
