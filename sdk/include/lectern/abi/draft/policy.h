/* Consumer policy: who may edit, who may interact, what a takeover needs. DRAFT: may change until two unrelated
 * policies exist.
 *
 * A policy is a pure reducer: reduce(state, room, event) -> (state', effects). The host owns the state (journaled), the
 * clock and the requests; the policy object holds its configuration and nothing else. Same history, same effects. The
 * host checks the effects against the room as it is then and applies all of them or none; if the room moved on meanwhile
 * it reduces again (3 times, then deny). What a policy need not do: keep epochs rising, keep one grant (unless it declares
 * LECTERN_POLICY_MULTI_EDITOR), end requests at their deadline, refuse clients whose scope lacks edit: the host does.
 */
#ifndef LECTERN_ABI_POLICY_H
#define LECTERN_ABI_POLICY_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LECTERN_CAP_EDIT = 1, LECTERN_CAP_INTERACT = 2 };                       /* bits of `caps` and `scope` */
enum { LECTERN_PRESENT = 0, LECTERN_PROBING = 1, LECTERN_LOST = 2 };           /* `presence` */
/* `flags`: asked to watch only, or the notebook is read-only; a client without a screen of its own; an agent; holds edits
 * that the host does not have (which no host of 0.1 tells). */
enum { LECTERN_MEMBER_VIEW_ONLY = 1, LECTERN_MEMBER_HEADLESS = 2, LECTERN_MEMBER_AGENT = 4, LECTERN_MEMBER_DIRTY = 8 };

/* One consumer of the room. Times are milliseconds on the host's monotonic clock, 0 = none. */
typedef struct lectern_member {
  uint64_t id;       /* the host's number for the client, stable over reconnects */
  uint32_t presence; /* LECTERN_PRESENT... */
  uint32_t scope;    /* the most the client may ever have, LECTERN_CAP_* bits */
  uint32_t caps;     /* what it has now */
  uint32_t flags;    /* LECTERN_MEMBER_* */
  uint64_t grant;    /* epoch of its right to edit; 0 = none */
  int64_t joined_ms; /* when it became a member */
  int64_t seen_ms;   /* when its connection last gave a sign of life */
  int64_t edited_ms; /* its last accepted edit; 0 = none */
  int64_t reserved_until_ms; /* its slot is kept until then, after its connection was lost */
  int64_t scope_until_ms;    /* when its scope expires */
  lectern_str principal;     /* authenticated; empty when the host runs without tokens */
  lectern_str label, device;
} lectern_member;

/* An open takeover request. */
typedef struct lectern_request {
  uint64_t id, from;
  uint64_t asked;    /* the member asked to agree; 0 = nobody yet */
  uint64_t if_epoch; /* 0 = none */
  int64_t at_ms, deadline_ms;
  lectern_str reason;
} lectern_request;

/* An immutable snapshot. Walk members and requests by their strides: they grow at the end. */
typedef struct lectern_room {
  uint32_t struct_size, member_stride, request_stride, n_members, n_requests, reserved;
  uint64_t version; /* rises with every change of the room */
  uint64_t epoch;   /* the counter; the next grant gets epoch + 1 */
  uint64_t holder;  /* the editor under an exclusive policy, also while lost and reserved; 0 = nobody */
  int64_t now_ms;   /* the only clock a policy has */
  int64_t since_ms; /* when `holder` got the pen */
  const lectern_member *members;   /* sorted by id */
  const lectern_request *requests; /* sorted by id */
} lectern_room;

enum {
  LECTERN_EVENT_INSTALLED = 1, /* this policy was just installed, at start or by a swap; `json` = the old policy's id, as
                                  it is; empty at start. Bring the whole room into shape: an exclusive policy must
                                  leave at most one grant, whose owner becomes `holder`. */
  LECTERN_EVENT_JOINED = 2,    /* `who` is new in the room: give it its capabilities */
  LECTERN_EVENT_LEFT = 3,      /* `who` is gone for good; no longer in the room */
  LECTERN_EVENT_LOST = 4,      /* `who` lost its connection; its slot, if it had one, is reserved */
  LECTERN_EVENT_RETURNED = 5,  /* `who` is back within its reservation or membership */
  LECTERN_EVENT_CHANGED = 6,   /* scope, flags or label of `who` changed */
  LECTERN_EVENT_REQUESTED = 7, /* `request`: `who` asks for the pen. Resolve it now, or ask someone. */
  LECTERN_EVENT_WITHDRAWN = 8, /* `request` was withdrawn, or its asker left */
  LECTERN_EVENT_ANSWERED = 9,  /* `target` answered `request`: `value` 1 = agrees, 0 = refuses */
  LECTERN_EVENT_ASK_ENDED = 10,/* the ask of `request` to `target` ended unanswered (deadline, target left or lost) */
  LECTERN_EVENT_RELEASED = 11, /* `who` gave the pen back, or its reservation ended: nobody holds it now */
  LECTERN_EVENT_ACTIVITY = 12, /* `who` edited after being idle; at most once a second */
  LECTERN_EVENT_TIMER = 13,    /* `timer` is due */
  LECTERN_EVENT_ACTION = 14    /* `who` used `verb` of actions_json, on `target`, with `json` */
};
typedef struct lectern_event {
  uint32_t struct_size, kind, value, reserved;
  uint64_t seq; /* rises by one per event of this room */
  uint64_t who, target, request, timer;
  lectern_str verb, json;
} lectern_event;

enum {
  LECTERN_EFFECT_SET_CAPS = 1, /* `target` gets `caps`: LECTERN_CAP_INTERACT or 0. Edit comes by grant alone. */
  LECTERN_EFFECT_GRANT = 2,    /* `target` gets the right to edit (and interact), with the next epoch. Under an exclusive
                                  policy the former holder loses it first and keeps `caps`: LECTERN_CAP_INTERACT or 0. */
  LECTERN_EFFECT_VACATE = 3,   /* `target` loses its grant and keeps `caps`: LECTERN_CAP_INTERACT or 0 */
  LECTERN_EFFECT_RESOLVE = 4,  /* ends `request`: `verdict` LECTERN_ALLOW grants the asker (`caps` as for GRANT), LECTERN_DENY
                                  refuses, `text` = why */
  LECTERN_EFFECT_ASK = 5,      /* asks `target` about `request` until `at_ms`; `text` is shown to it */
  LECTERN_EFFECT_UNASK = 6,    /* takes the ask of `request` back */
  LECTERN_EFFECT_TIMER = 7,    /* sets `timer` (the policy's own number) to `at_ms`; 0 cancels */
  LECTERN_EFFECT_NOTICE = 8,   /* `text` is shown to `target` (0 = everybody) */
  LECTERN_EFFECT_SHOW = 9      /* `text` is a JSON object shown as room-state.policy to everybody; empty takes it away */
};
enum { LECTERN_DENY = 0, LECTERN_ALLOW = 1 };
typedef struct lectern_effect {
  uint32_t struct_size, kind, caps, verdict;
  uint64_t target, request, timer;
  int64_t at_ms;
  lectern_str text; /* at most 4096 bytes */
} lectern_effect;

/* Collects the outcome of one call. OWNERSHIP: the host's; valid during the call; it copies what it is given. */
typedef struct lectern_policy_out {
  uint32_t struct_size, reserved;
  void *ctx;
  /* [call] The next effect, in order; at most 256 a call. FAILURE: the effect makes no sense, and with it the whole
   * outcome: stop, and return that status. */
  lectern_status (*effect)(void *ctx, const lectern_effect *effect) LECTERN_NOEXCEPT;
  /* [call] The state from now on, at most 64 KiB; once a call. Not called: the state stays as it is. FAILURE: as of effect. */
  lectern_status (*state)(void *ctx, lectern_str state) LECTERN_NOEXCEPT;
  lectern_error *error; /* to be filled when reduce fails; may be null */
} lectern_policy_out;

enum { LECTERN_POLICY_MULTI_EDITOR = 1 }; /* several grants may exist at once */

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. */
typedef struct lectern_policy {
  uint32_t struct_size, flags;
  lectern_str state_schema; /* names the shape of the state: a new generation with the same one is handed the old state */
  lectern_str actions_json; /* JSON array of {"verb","label","tier":"read"|"interact"|"edit"}; may be empty */
  /* [control] (initialised) Makes one policy object from its JSON settings ("{}" when there are none). Unknown keys are
   * errors. OWNERSHIP: `*self` is the plugin's; the host gives it back to destroy, once. FAILURE: there is no object;
   * LECTERN_INVALID for settings, with words that name the wrong one. */
  lectern_status (*create)(lectern_str config, void **self, lectern_error *error) LECTERN_NOEXCEPT;
  /* [any] (object) Frees the object; no reduce of it runs or follows. */
  void (*destroy)(void *self) LECTERN_NOEXCEPT;
  /* [referee] (object) Decides on one event. Pure: no clock, no randomness, no memory of its own; the same arguments give
   * the same effects. OWNERSHIP: everything is the host's and valid during the call. FAILURE: anything but LECTERN_OK, or
   * more than 50 ms, means "deny" for a request and "no effects" otherwise, and counts against the policy. */
  lectern_status (*reduce)(const void *self, lectern_str state, const lectern_room *room, const lectern_event *event,
                           const lectern_policy_out *out) LECTERN_NOEXCEPT;
} lectern_policy;

#ifdef __cplusplus
}
#endif
#endif
