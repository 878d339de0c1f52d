// A policy in use: one room, one event after the other, the state handed on.
#include <array>

#include "allocation.hpp"
#include "lectern/abi/draft/policy.h"
#include "use.hpp"

namespace lectern::validate {

namespace {

constexpr std::array<const char*, 13> events{"installed", "joined",    "requested", "answered", "ask_ended",
                                             "left",      "lost",      "returned",  "released", "activity",
                                             "timer",     "withdrawn", "changed"};
constexpr std::array<std::uint32_t, 13> kinds{LECTERN_EVENT_INSTALLED, LECTERN_EVENT_JOINED,    LECTERN_EVENT_REQUESTED,
                                              LECTERN_EVENT_ANSWERED,  LECTERN_EVENT_ASK_ENDED, LECTERN_EVENT_LEFT,
                                              LECTERN_EVENT_LOST,      LECTERN_EVENT_RETURNED,  LECTERN_EVENT_RELEASED,
                                              LECTERN_EVENT_ACTIVITY,  LECTERN_EVENT_TIMER,     LECTERN_EVENT_WITHDRAWN,
                                              LECTERN_EVENT_CHANGED};

lectern_member member(std::uint64_t id, std::string_view name) {
  lectern_member made{};
  made.id = id;
  made.scope = LECTERN_CAP_EDIT | LECTERN_CAP_INTERACT;
  made.joined_ms = made.seen_ms = 1000 + static_cast<std::int64_t>(id);
  made.label = made.principal = to_abi(name);
  return made;
}

class UsedPolicy final : public Use {
 public:
  UsedPolicy(const void* interface, std::string config)
      : policy_(*static_cast<const lectern_policy*>(interface)), config_(std::move(config)) {}
  ~UsedPolicy() override { destroy(); }

  StepResult create(lectern_error* error) override {
    void* self = nullptr;
    auto result = call([&] { return may_throw(policy_.create)(to_abi(config_), &self, error); });
    if (result.status == LECTERN_OK && result.thrown.empty()) self_ = self, made_ = true;
    return result;
  }
  std::string destroy() override {
    if (!std::exchange(made_, false)) return {};
    return thrown_by([&] { may_throw(policy_.destroy)(self_); });
  }
  [[nodiscard]] int steps() const override { return static_cast<int>(events.size()); }
  [[nodiscard]] std::string name(int step) const override {
    return std::string("reduce on \"") + events[static_cast<std::size_t>(step)] + "\"";
  }

  StepResult step(int step) override {
    const auto kind = kinds[static_cast<std::size_t>(step)];
    std::vector<lectern_member> members{member(1, "Ann"), member(2, "Ben"), member(3, "Cem")};
    members[0].grant = 4;
    members[0].caps = LECTERN_CAP_EDIT | LECTERN_CAP_INTERACT;
    if (kind == LECTERN_EVENT_LOST) members[0].presence = LECTERN_LOST;
    members[1].caps = LECTERN_CAP_INTERACT;
    std::vector<lectern_request> requests;
    const bool with_request =
        kind == LECTERN_EVENT_REQUESTED || kind == LECTERN_EVENT_ANSWERED || kind == LECTERN_EVENT_ASK_ENDED;
    if (with_request) {
      lectern_request request{};
      request.id = 1;
      request.from = 2;
      request.asked = kind == LECTERN_EVENT_ANSWERED ? 1 : 0;
      request.at_ms = 5000;
      request.deadline_ms = 35'000;
      requests.push_back(request);
    }
    const Longer<lectern_member> all_members(members, extra);
    const Longer<lectern_request> all_requests(requests, extra);
    lectern_room room{};
    room.struct_size = sizeof room;
    room.member_stride = all_members.stride();
    room.request_stride = all_requests.stride();
    room.n_members = static_cast<std::uint32_t>(members.size());
    room.n_requests = static_cast<std::uint32_t>(requests.size());
    room.version = static_cast<std::uint64_t>(step) + 1;
    room.epoch = 4;
    room.holder = 1;
    room.now_ms = 6000;
    room.since_ms = 2000;
    room.members = all_members.data();
    room.requests = all_requests.data();
    lectern_event event{};
    event.struct_size = sizeof event;
    event.kind = kind;
    event.seq = static_cast<std::uint64_t>(step) + 1;
    event.who = kind == LECTERN_EVENT_JOINED ? 3 : kind == LECTERN_EVENT_LEFT ? 9 : kind == LECTERN_EVENT_LOST ? 1 : 2;
    event.request = with_request ? 1 : 0;
    event.target = kind == LECTERN_EVENT_ANSWERED || kind == LECTERN_EVENT_ASK_ENDED ? 1 : 0;
    event.value = kind == LECTERN_EVENT_ANSWERED ? 1 : 0;
    event.timer = kind == LECTERN_EVENT_TIMER ? 1 : 0;
    const Longer<lectern_room> long_room(room, extra);
    const Longer<lectern_event> long_event(event, extra);
    lectern_error error = empty_error();
    next_.reset();
    said_.clear();
    const lectern_policy_out out{
        static_cast<std::uint32_t>(sizeof(lectern_policy_out)), 0, this, &on_effect, &on_state, &error};
    const Longer<lectern_policy_out> long_out(out, extra);
    auto result = call([&] {
      return may_throw(policy_.reduce)(self_, to_abi(state_), long_room.data(), long_event.data(), long_out.data());
    });
    result.text = said_;
    if (result.status == LECTERN_OK && result.thrown.empty() && next_) state_ = *next_;
    result.text += "state " + state_;
    return result;
  }

 private:
  static lectern_status on_effect(void* ctx, const lectern_effect* effect) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedPolicy*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.said_ += std::to_string(effect->kind) + "," + std::to_string(effect->target) + "," +
                std::to_string(effect->caps) + "," + std::to_string(effect->verdict) + "," +
                std::to_string(effect->request) + "," + std::to_string(effect->timer) + "," +
                std::to_string(effect->at_ms) + "," + std::string(view(effect->text)) + ";";
    return LECTERN_OK;
  }
  static lectern_status on_state(void* ctx, lectern_str state) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedPolicy*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.next_ = std::string(view(state));
    return LECTERN_OK;
  }

  lectern_policy policy_;
  std::string config_, state_, said_;
  std::optional<std::string> next_;
  void* self_ = nullptr;
  bool made_ = false;
};

}  // namespace

std::unique_ptr<Use> use_policy(const void* interface, std::string config) {
  return std::make_unique<UsedPolicy>(interface, std::move(config));
}

}  // namespace lectern::validate
