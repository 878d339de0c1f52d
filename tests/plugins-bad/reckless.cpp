// A policy in plain C shape that breaks the contract in the way that `verb` of the event says. What the host's checks
// say to each is tested in unit/plugin_checking_test.cpp.
#include "lectern/abi/draft/policy.h"
#include "lectern/abi/entry.h"
#include "lectern/abi/ext/health.h"
#include "lectern/abi/ext/log.h"
#include "lectern/abi/ext/metrics.h"

#include <cstring>
#include <string>
#include <string_view>
#include <thread>

namespace {

const lectern_host* host = nullptr;
const lectern_policy_out* kept = nullptr;  // which nobody may keep
lectern_policy_out kept_copy{};
int calls = 0;  // which no policy may count

lectern_str text(std::string_view from) {
  return {from.data(), from.size()};
}
template <class T>
const T* extension(std::string_view id) {
  return static_cast<const T*>(host->get_extension(host->ctx, text(id)));
}

lectern_effect notice(std::string_view said) {
  lectern_effect effect{};
  effect.struct_size = sizeof effect;
  effect.kind = LECTERN_EFFECT_NOTICE;
  effect.text = text(said);
  return effect;
}

void reckless_metrics() {
  const auto* metrics = extension<lectern_metrics>(LECTERN_EXT_METRICS);
  metrics->declare(metrics->ctx, 1, LECTERN_METRIC_COUNTER, text("things_total"), text("Things"));
  metrics->declare(metrics->ctx, 2, LECTERN_METRIC_COUNTER, text("things"), text("A counter under a gauge's name"));
  metrics->declare(metrics->ctx, 99, LECTERN_METRIC_GAUGE, text("far"), text("A number past the end"));
  metrics->add(metrics->ctx, 1, 2);
  metrics->add(metrics->ctx, 1, -1);
  metrics->set(metrics->ctx, 7, 1);
}

lectern_status create(lectern_str, void** self, lectern_error*) noexcept {
  static int object = 0;
  *self = &object;
  return LECTERN_OK;
}
void destroy(void*) noexcept {}

lectern_status reduce(const void*, lectern_str, const lectern_room*, const lectern_event* event,
                      const lectern_policy_out* out) noexcept {
  const std::string_view verb(event->verb.p, event->verb.n);
  ++calls;
  lectern_effect effect = notice("a notice");
  lectern_effect grant{};
  grant.struct_size = sizeof grant;
  grant.kind = LECTERN_EFFECT_GRANT;
  grant.target = 1;
  if (verb == "keep") {
    kept = out;
    kept_copy = *out;
  }
  if (verb == "late-pointer") kept->effect(kept->ctx, &effect);
  if (verb == "late-copy") kept_copy.state(kept_copy.ctx, text("late"));
  if (verb == "other-thread") std::thread([&] { out->effect(out->ctx, &effect); }).join();
  if (verb == "same-twice") {
    out->effect(out->ctx, &effect);
    out->effect(out->ctx, &effect);
  }
  if (verb == "two-grants") {
    out->effect(out->ctx, &grant);
    grant.target = 2;
    out->effect(out->ctx, &grant);
  }
  if (verb == "two-ends") {
    effect.kind = LECTERN_EFFECT_RESOLVE;
    effect.request = 4;
    effect.verdict = LECTERN_DENY;
    out->effect(out->ctx, &effect);
    effect.text = text("another reason");
    out->effect(out->ctx, &effect);
  }
  if (verb == "two-states") {
    out->state(out->ctx, text("a"));
    out->state(out->ctx, text("b"));
  }
  if (verb == "odd-state") out->state(out->ctx, text("caf\xe9"));
  if (verb == "impure") {
    const std::string said = "call " + std::to_string(calls);
    effect.text = text(said);
    out->effect(out->ctx, &effect);
  }
  if (verb == "unended") {
    std::memset(out->error->message, 'x', sizeof out->error->message);
    return LECTERN_UNAVAILABLE;
  }
  if (verb == "odd-words") {
    std::strcpy(out->error->hint, "caf\xe9");
    return LECTERN_UNAVAILABLE;
  }
  if (verb == "status") return 4711;
  if (verb == "metrics") reckless_metrics();
  if (verb == "chatter") {
    for (int i = 0; i < 500; ++i) host->log(host->ctx, LECTERN_LOG_WARNING, text("chatter"));
  }
  return LECTERN_OK;
}

lectern_status check(const lectern_health_out* out) noexcept {
  out->report(out->ctx, 17, text("out of range"), {});
  return LECTERN_OK;
}

const void* get_kind(lectern_str) noexcept {
  static const lectern_policy policy{sizeof(lectern_policy), 0, {}, {}, &create, &destroy, &reduce};
  return &policy;
}
const void* get_extension(lectern_str id) noexcept {
  static const lectern_health health{sizeof(lectern_health), 0, &check};
  return std::string_view(id.p, id.n) == LECTERN_EXT_HEALTH ? &health : nullptr;
}
lectern_status init(const lectern_host* from, lectern_error*) noexcept {
  host = from;
  return LECTERN_OK;
}
void deinit() noexcept {}

}  // namespace

extern "C" LECTERN_EXPORT const lectern_entry* lectern_plugin_entry(void) noexcept {
  static const lectern_entry entry{sizeof(lectern_entry),
                                   LECTERN_ABI_MAJOR,
                                   LECTERN_ABI_MINOR,
                                   0,
                                   {LECTERN_PLUGIN_ID, sizeof(LECTERN_PLUGIN_ID) - 1},
                                   {},
                                   {},
                                   &init,
                                   &deinit,
                                   &get_kind,
                                   &get_extension};
  return &entry;
}
