// A presence backend in C++: derive from Presence and say LECTERN_PLUGIN(PresenceOf<MyBackend>).
//
//   class Folder : public lectern::sdk::Presence {
//    public:
//     static constexpr std::uint64_t lag_ms = 2000, min_period_ms = 1000;
//     explicit Folder(std::string_view config);
//     …
//   };
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "lectern/abi/draft/presence.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/plugin.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {

/// Takes what a snapshot finds; the host copies. Valid during that call.
class PresenceSink {
 public:
  explicit PresenceSink(const lectern_presence_sink& sink) : sink_(sink) {}
  void record(std::string_view origin, std::string_view record) const {
    detail::check(sink_.record(sink_.ctx, str(origin), str(record)));
  }
  void rejected(std::string_view origin, std::string_view reason) const {
    detail::check(sink_.rejected(sink_.ctx, str(origin), str(reason)));
  }

 private:
  lectern_presence_sink sink_;
};

/// [worker] for all three: they may block and may run side by side. A thrown Failure shows the backend as degraded.
class Presence {
 public:
  virtual ~Presence() = default;
  virtual void publish(std::string_view device_id, std::string_view instance_id, std::string_view record) = 0;
  virtual void remove(std::string_view device_id, std::string_view instance_id) = 0;
  virtual void snapshot(const PresenceSink& out) = 0;
};

template <class T>
struct PresenceOf {
  using Plugin = T;
  static constexpr std::string_view kind = LECTERN_KIND_PRESENCE;

  static const lectern_presence& abi() {
    static const lectern_presence made{
        sizeof(lectern_presence), 0, T::lag_ms, T::min_period_ms, &open, &close, &publish, &remove, &snapshot};
    return made;
  }

 private:
  static lectern_status open(lectern_str config, void** self, lectern_error* error) noexcept {
    detail::Call call("lectern_presence.open", error);
    call.initialised().control().text(config, "config");
    return detail::make<T>(call, self, view(config));
  }
  static void close(void* self) noexcept { detail::unmake<T>("lectern_presence.close", self); }
  static lectern_status publish(void* self, lectern_str device_id, lectern_str instance_id, lectern_str record,
                                lectern_error* error) noexcept {
    detail::Call call("lectern_presence.publish", error);
    call.initialised()
        .object(self)
        .text(device_id, "device_id")
        .text(instance_id, "instance_id")
        .text(record, "record");
    return call.run([&] { detail::value<T>(self).publish(view(device_id), view(instance_id), view(record)); });
  }
  static lectern_status remove(void* self, lectern_str device_id, lectern_str instance_id,
                               lectern_error* error) noexcept {
    detail::Call call("lectern_presence.remove", error);
    call.initialised().object(self).text(device_id, "device_id").text(instance_id, "instance_id");
    return call.run([&] { detail::value<T>(self).remove(view(device_id), view(instance_id)); });
  }
  static lectern_status snapshot(void* self, const lectern_presence_sink* out, lectern_error* error) noexcept {
    detail::Call call("lectern_presence.snapshot", error);
    call.initialised().object(self).given(out, "sink");
    return call.run([&] { detail::value<T>(self).snapshot(PresenceSink(*out)); });
  }
};

}  // namespace lectern::sdk
