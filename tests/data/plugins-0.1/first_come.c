/* A policy in plain C, as somebody wrote it for SDK 0.1: whoever comes first edits, and keeps the pen until it is free. */
#include "lectern/abi/draft/policy.h"
#include "lectern/abi/entry.h"
#include "lectern/abi/ext/config_schema.h"
#include "lectern/abi/ext/health.h"

#include <string.h>

#define TEXT(literal) {literal, sizeof(literal) - 1}

static const lectern_host *host;
static int object;

static const lectern_member *find(const lectern_room *room, uint64_t id) {
  const char *at = (const char *)room->members;
  for (uint32_t i = 0; i < room->n_members; ++i, at += room->member_stride) {
    const lectern_member *one = (const lectern_member *)at;
    if (one->id == id) return one;
  }
  return 0;
}

static lectern_status create(lectern_str config, void **self, lectern_error *error) {
  (void)config;
  (void)error;
  *self = &object;
  return LECTERN_OK;
}
static void destroy(void *self) { (void)self; }

static lectern_status reduce(const void *self, lectern_str state, const lectern_room *room, const lectern_event *event,
                             const lectern_policy_out *out) {
  (void)self;
  (void)state;
  lectern_effect effect;
  memset(&effect, 0, sizeof effect);
  effect.struct_size = sizeof effect;
  const lectern_member *who = find(room, event->who);
  if (event->kind == LECTERN_EVENT_JOINED && who != 0) {
    const int may = (who->scope & LECTERN_CAP_EDIT) != 0 && (who->flags & LECTERN_MEMBER_VIEW_ONLY) == 0;
    effect.kind = room->holder == 0 && may ? LECTERN_EFFECT_GRANT : LECTERN_EFFECT_SET_CAPS;
    effect.target = event->who;
    effect.caps = LECTERN_CAP_INTERACT & who->scope;
    return out->effect(out->ctx, &effect);
  }
  if (event->kind == LECTERN_EVENT_REQUESTED) {
    static const lectern_str why = TEXT("Wait until the pen is free.");
    effect.kind = LECTERN_EFFECT_RESOLVE;
    effect.request = event->request;
    effect.verdict = room->holder == 0 ? LECTERN_ALLOW : LECTERN_DENY;
    effect.caps = LECTERN_CAP_INTERACT;
    if (room->holder != 0) effect.text = why;
    return out->effect(out->ctx, &effect);
  }
  return LECTERN_OK;
}

static lectern_status check(const lectern_health_out *out) {
  const lectern_str summary = TEXT("first come, first served"), none = {0, 0};
  return out->report(out->ctx, LECTERN_HEALTH_OK, summary, none);
}

static lectern_status init(const lectern_host *from, lectern_error *error) {
  (void)error;
  const lectern_str hello = TEXT("first-come is here");
  host = from;
  host->log(host->ctx, LECTERN_LOG_DEBUG, hello);
  return LECTERN_OK;
}
static void deinit(void) { host = 0; }

static int is(lectern_str given, const char *wanted) {
  return given.n == strlen(wanted) && memcmp(given.p, wanted, given.n) == 0;
}
static const void *get_kind(lectern_str kind) {
  static const lectern_policy policy = {sizeof policy, 0, {0, 0}, TEXT("[]"), create, destroy, reduce};
  return is(kind, LECTERN_KIND_POLICY) ? &policy : 0;
}
static const void *get_extension(lectern_str id) {
  static const lectern_config_schema schema = {sizeof schema, 0,
                                               TEXT("{\"type\":\"object\",\"additionalProperties\":false}")};
  static const lectern_health health = {sizeof health, 0, check};
  return is(id, LECTERN_EXT_CONFIG_SCHEMA) ? (const void *)&schema : is(id, LECTERN_EXT_HEALTH) ? (const void *)&health : 0;
}

const lectern_entry *lectern_plugin_entry(void) {
  static const lectern_entry entry = {sizeof entry, LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, TEXT("first-come"),
                                      TEXT("0.1.0"), TEXT("SDK " LECTERN_SDK_VERSION), init, deinit, get_kind, get_extension};
  return &entry;
}
