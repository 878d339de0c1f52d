// Writes what no policy may; the event's verb says what.
#include <string>
#include <string_view>

#include "lectern/abi/draft/policy.h"
#include "lectern/abi/entry.h"

namespace {

lectern_status create(lectern_str, void** self, lectern_error*) noexcept {
  static int object = 0;
  *self = &object;
  return LECTERN_OK;
}
void destroy(void*) noexcept {}

lectern_effect notice(std::string_view text) {
  lectern_effect effect{};
  effect.struct_size = sizeof effect;
  effect.kind = LECTERN_EFFECT_NOTICE;
  effect.text = {text.data(), text.size()};
  return effect;
}

lectern_status reduce(const void*, lectern_str, const lectern_room*, const lectern_event* event,
                      const lectern_policy_out* out) noexcept {
  const std::string_view verb(event->verb.p, event->verb.n);
  lectern_effect effect = notice("fine so far");
  out->effect(out->ctx, &effect);
  const std::string huge(5000, 'x');
  if (verb == "kind") effect.kind = 99;
  if (verb == "size") effect.struct_size = 8;
  if (verb == "edit") {
    effect.kind = LECTERN_EFFECT_SET_CAPS;
    effect.caps = LECTERN_CAP_EDIT;
  }
  if (verb == "verdict") {
    effect.kind = LECTERN_EFFECT_RESOLVE;
    effect.verdict = 7;
  }
  if (verb == "null-text") effect.text = {nullptr, 12};
  if (verb == "huge-text") effect.text = {huge.data(), huge.size()};
  if (verb == "latin1") effect.text = {"caf\xe9", 4};
  if (verb == "show") {
    effect.kind = LECTERN_EFFECT_SHOW;
    effect.text = {"[1]", 3};
  }
  if (verb == "null") {
    out->effect(out->ctx, nullptr);
    return LECTERN_OK;
  }
  if (verb == "state") {
    const std::string state(70000, 's');
    out->state(out->ctx, {state.data(), state.size()});
    return LECTERN_OK;
  }
  if (verb == "many") {
    for (int i = 0; i < 300; ++i) out->effect(out->ctx, &effect);
    return LECTERN_OK;
  }
  if (verb == "status") return 4711;
  if (verb == "unended-error") {
    for (char& c : out->error->message) c = '!';
    return LECTERN_UNAVAILABLE;
  }
  if (verb != "good") out->effect(out->ctx, &effect);
  return LECTERN_OK;
}

const void* get_kind(lectern_str) noexcept {
  static const lectern_policy policy{sizeof(lectern_policy), 0, {}, {}, &create, &destroy, &reduce};
  return &policy;
}
lectern_status init(const lectern_host*, lectern_error*) noexcept {
  return LECTERN_OK;
}
void deinit() noexcept {}

}  // namespace

extern "C" LECTERN_EXPORT const lectern_entry* lectern_plugin_entry(void) noexcept {
  static const lectern_entry entry{sizeof(lectern_entry),
                                   LECTERN_ABI_MAJOR,
                                   LECTERN_ABI_MINOR,
                                   0,
                                   {"garbage", 7},
                                   {},
                                   {},
                                   &init,
                                   &deinit,
                                   &get_kind,
                                   nullptr};
  return &entry;
}
