#include "plugin/presence.hpp"

#include <mutex>
#include <utility>

#include "base/text.hpp"
#include "lectern/abi/draft/presence.h"
#include "plugin/call.hpp"
#include "plugin/checking.hpp"

namespace lectern::plugin {

namespace {

constexpr std::size_t max_records = 10'000;
constexpr std::uint64_t max_record = 1u << 20;

lectern_status take(PresenceSnapshot& to, lectern_str origin, lectern_str record) {
  if (!sane(origin, UINT64_MAX) || !sane(record, UINT64_MAX)) return LECTERN_INVALID;
  std::string from = text::label(view(origin).substr(0, 4096), 400);
  if (to.records.size() >= max_records) return LECTERN_TOO_LARGE;
  if (record.n > max_record) {
    to.rejected.push_back({std::move(from), "it has " + std::to_string(record.n) + " bytes, 1 MiB is the most"});
  } else if (!text::valid_utf8(view(record))) {
    to.rejected.push_back({std::move(from), "it is not UTF-8"});
  } else {
    to.records.push_back({std::move(from), std::string(view(record))});
  }
  return LECTERN_OK;
}

lectern_status on_record(void* ctx, lectern_str origin, lectern_str record) noexcept {
  auto* to = static_cast<PresenceSnapshot*>(Lent::borrowed(ctx, "lectern_presence_sink.record"));
  if (to == nullptr) return LECTERN_CONFLICT;
  try {
    return take(*to, origin, record);
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}
lectern_status on_rejected(void* ctx, lectern_str origin, lectern_str reason) noexcept {
  auto* lent = static_cast<PresenceSnapshot*>(Lent::borrowed(ctx, "lectern_presence_sink.rejected"));
  if (lent == nullptr) return LECTERN_CONFLICT;
  try {
    auto& to = *lent;
    if (!sane(origin, UINT64_MAX) || !sane(reason, UINT64_MAX)) return LECTERN_INVALID;
    if (to.rejected.size() >= max_records) return LECTERN_TOO_LARGE;
    to.rejected.push_back(
        {text::label(view(origin).substr(0, 4096), 400), text::label(view(reason).substr(0, 4096), 400)});
    return LECTERN_OK;
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}

}  // namespace

struct PresenceBackend::Inner {
  GenerationPtr generation;
  lectern_presence abi{};
  void* self = nullptr;
  std::uint64_t remote_object = 0;  // instead of `self` when it lives in a process of its own

  template <class Body>
  Status call(std::string_view doing, Body&& body) {
    lectern_error error = empty_error();
    const auto status = guarded(*generation, doing, error, [&] { return body(error); });
    if (status == LECTERN_OK) return {};
    return fail(call_error(*generation, doing, status, error, 422, "presence_failed"));
  }
};

PresenceBackend::PresenceBackend(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

PresenceBackend::~PresenceBackend() {
  if (auto* remote = inner_->generation->remote()) {
    remote->close(inner_->remote_object);
    return;
  }
  const std::scoped_lock lock(control_mutex());
  guarded_void(*inner_->generation, "close", [&] { may_throw(inner_->abi.close)(inner_->self); });
}

Result<std::shared_ptr<PresenceBackend>> PresenceBackend::open(GenerationPtr generation, std::string_view config_json) {
  auto inner = std::make_unique<Inner>();
  inner->abi = read_struct(static_cast<const lectern_presence*>(generation->interface()));
  inner->generation = std::move(generation);
  LECTERN_CHECK(inner->generation->check_config(config_json));
  const std::scoped_lock lock(control_mutex());
  lectern_error error = empty_error();
  void* self = nullptr;
  const auto status = guarded(*inner->generation, "open", error, [&] {
    if (auto* remote = inner->generation->remote()) return remote->open(config_json, inner->remote_object, error);
    return may_throw(inner->abi.open)(to_abi(config_json), &self, &error);
  });
  if (status != LECTERN_OK) {
    Error failed = call_error(*inner->generation, "open", status, error, 400, "bad_config");
    if (failed.status == 503) failed.code = "presence_unavailable";
    return fail(std::move(failed));
  }
  inner->self = self;
  inner->generation->activate();
  return std::shared_ptr<PresenceBackend>(new PresenceBackend(std::move(inner)));
}

Status PresenceBackend::publish(std::string_view device_id, std::string_view instance_id, std::string_view record) {
  return inner_->call("publish", [&](lectern_error& error) {
    if (auto* remote = inner_->generation->remote())
      return remote->publish(inner_->remote_object, device_id, instance_id, record, error);
    return may_throw(inner_->abi.publish)(inner_->self, to_abi(device_id), to_abi(instance_id), to_abi(record), &error);
  });
}

Status PresenceBackend::remove(std::string_view device_id, std::string_view instance_id) {
  return inner_->call("remove a record", [&](lectern_error& error) {
    if (auto* remote = inner_->generation->remote())
      return remote->remove(inner_->remote_object, device_id, instance_id, error);
    return may_throw(inner_->abi.remove)(inner_->self, to_abi(device_id), to_abi(instance_id), &error);
  });
}

Result<PresenceSnapshot> PresenceBackend::snapshot() {
  PresenceSnapshot found;
  const Loan<lectern_presence_sink> sink(inner_->generation->checker(), &found,
                                         {sizeof(lectern_presence_sink), 0, nullptr, &on_record, &on_rejected});
  LECTERN_CHECK(inner_->call("list its records", [&](lectern_error& error) {
    auto* remote = inner_->generation->remote();
    const auto status = remote != nullptr ? remote->snapshot(inner_->remote_object, *sink.get(), error)
                                          : may_throw(inner_->abi.snapshot)(inner_->self, sink.get(), &error);
    return found.records.size() >= max_records && status == LECTERN_TOO_LARGE ? lectern_status{LECTERN_OK} : status;
  }));
  return found;
}

const std::string& PresenceBackend::id() const {
  return inner_->generation->id();
}
std::uint64_t PresenceBackend::lag_ms() const {
  return inner_->abi.lag_ms;
}
std::uint64_t PresenceBackend::min_period_ms() const {
  return inner_->abi.min_period_ms;
}
const GenerationPtr& PresenceBackend::generation() const {
  return inner_->generation;
}

}  // namespace lectern::plugin
