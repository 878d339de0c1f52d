// Transports, presence backends and runtimes in use.
#include <array>

#include "allocation.hpp"
#include "lectern/abi/draft/presence.h"
#include "lectern/abi/draft/runtime.h"
#include "lectern/abi/draft/transport.h"
#include "use.hpp"

namespace lectern::validate {

namespace {

constexpr std::array<std::string_view, 5> frames{
    R"({"client":"c1.secret"})", R"({"id":"1","command":"execute","epoch":3,"body":{"cell_ids":["a","b"]}})", "{", "",
    R"({"op":"unknown","data":[true,null,-0.5e+10,""]})"};

class UsedTransport final : public Use {
 public:
  UsedTransport(const void* interface, std::string config)
      : transport_(*static_cast<const lectern_transport*>(interface)), config_(std::move(config)) {}
  ~UsedTransport() override { destroy(); }

  StepResult create(lectern_error* error) override {
    void* self = nullptr;
    auto result = call([&] { return may_throw(transport_.create)(to_abi(config_), &self, error); });
    if (result.status == LECTERN_OK && result.thrown.empty()) self_ = self, made_ = true;
    return result;
  }
  std::string destroy() override {
    if (!std::exchange(made_, false)) return {};
    return thrown_by([&] { may_throw(transport_.destroy)(self_); });
  }
  [[nodiscard]] int steps() const override { return 1 + static_cast<int>(frames.size()) + 3 + 1; }
  [[nodiscard]] std::string name(int step) const override {
    if (step == 0) return "open a connection";
    if (step <= static_cast<int>(frames.size())) return "receive frame " + std::to_string(step);
    return step == steps() - 1 ? "close the connection" : "encode a message";
  }
  StepResult step(int step) override {
    said_.clear();
    lectern_error error = empty_error();
    StepResult result;
    const int n_frames = static_cast<int>(frames.size());
    if (step == 0) {
      result = call([&] { return may_throw(transport_.open)(self_, connection, 0, to_abi("{}"), &encoding_, &error); });
      open_ = result.status == LECTERN_OK && result.thrown.empty();
    } else if (!open_) {
      return result;
    } else if (step <= n_frames) {
      const Longer<lectern_inbound_sink> sink(lectern_inbound_sink{sizeof(lectern_inbound_sink), 0, this, &on_message},
                                              extra);
      const auto frame = frames[static_cast<std::size_t>(step - 1)];
      result = call([&] {
        return may_throw(transport_.receive)(self_, connection, LECTERN_FRAME_TEXT, to_abi(frame), sink.data(), &error);
      });
    } else if (step == steps() - 1) {
      result = call([&] {
        may_throw(transport_.close)(self_, connection);
        return lectern_status{LECTERN_OK};
      });
      open_ = false;
    } else {
      result = encode(step - n_frames);
    }
    result.text = said_;
    return result;
  }

 private:
  StepResult encode(int which) {
    lectern_outbound message{};
    message.struct_size = sizeof message;
    message.kind = which == 1 ? LECTERN_OUT_EVENT : which == 2 ? LECTERN_OUT_SYNC : LECTERN_OUT_KEEPALIVE;
    message.document = which == 2 ? LECTERN_DOCUMENT_NOTEBOOK : 0;
    message.has_seq = 1;
    message.seq = 7;
    message.op = to_abi("cell-op");
    message.data = to_abi(R"({"a":1})");
    message.payload = which == 2 ? to_abi("payload") : lectern_str{};
    message.stream = to_abi("s");
    const Longer<lectern_outbound> long_message(message, extra);
    const Longer<lectern_frame_sink> sink(lectern_frame_sink{sizeof(lectern_frame_sink), 0, this, &on_frame}, extra);
    return call([&] { return may_throw(transport_.encode)(self_, encoding_, long_message.data(), sink.data()); });
  }
  static lectern_status on_message(void* ctx, const lectern_inbound* message) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedTransport*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.said_ += std::to_string(message->kind) + "," + std::string(view(message->id)) + "," +
                std::string(view(message->name)) + "," + std::string(view(message->body)) + ";";
    return LECTERN_OK;
  }
  static lectern_status on_frame(void* ctx, std::uint32_t kind, lectern_str bytes) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedTransport*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.said_ += std::to_string(kind) + "," + std::string(view(bytes)) + ";";
    return LECTERN_OK;
  }

  static constexpr std::uint64_t connection = 77;
  lectern_transport transport_;
  std::string config_, said_;
  void* self_ = nullptr;
  bool made_ = false, open_ = false;
  std::uint64_t encoding_ = 0;
};

class UsedPresence final : public Use {
 public:
  UsedPresence(const void* interface, std::string config)
      : presence_(*static_cast<const lectern_presence*>(interface)), config_(std::move(config)) {}
  ~UsedPresence() override { destroy(); }

  StepResult create(lectern_error* error) override {
    void* self = nullptr;
    auto result = call([&] { return may_throw(presence_.open)(to_abi(config_), &self, error); });
    if (result.status == LECTERN_OK && result.thrown.empty()) self_ = self, made_ = true;
    return result;
  }
  std::string destroy() override {
    if (!std::exchange(made_, false)) return {};
    return thrown_by([&] { may_throw(presence_.close)(self_); });
  }
  [[nodiscard]] int steps() const override { return 5; }
  [[nodiscard]] std::string name(int step) const override {
    constexpr const char* names[] = {"publish", "list", "publish again", "remove", "list what is left"};
    return names[step];
  }
  StepResult step(int step) override {
    said_.clear();
    lectern_error error = empty_error();
    StepResult result;
    if (step == 0 || step == 2) {
      const std::string record =
          R"({"schema":1,"device_id":"device-a","instance_id":"instance-1","seq":)" + std::to_string(step + 1) + "}";
      result = call([&] {
        return may_throw(presence_.publish)(self_, to_abi("device-a"), to_abi("instance-1"), to_abi(record), &error);
      });
    } else if (step == 3) {
      result =
          call([&] { return may_throw(presence_.remove)(self_, to_abi("device-a"), to_abi("instance-1"), &error); });
    } else {
      const lectern_presence_sink sink{sizeof(lectern_presence_sink), 0, this, &on_record, &on_rejected};
      const Longer<lectern_presence_sink> long_sink(sink, extra);
      result = call([&] { return may_throw(presence_.snapshot)(self_, long_sink.data(), &error); });
    }
    result.text = said_;
    return result;
  }

 private:
  static lectern_status on_record(void* ctx, lectern_str, lectern_str record) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedPresence*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.said_ += std::string(view(record)) + ";";
    return LECTERN_OK;
  }
  static lectern_status on_rejected(void* ctx, lectern_str, lectern_str) noexcept {
    return static_cast<UsedPresence*>(ctx)->sinks.take();
  }
  lectern_presence presence_;
  std::string config_, said_;
  void* self_ = nullptr;
  bool made_ = false;
};

class UsedRuntime final : public Use {
 public:
  UsedRuntime(const void* interface, std::string config)
      : runtime_(*static_cast<const lectern_runtime*>(interface)), config_(std::move(config)) {
    out_.struct_size = sizeof out_;
    out_.ctx = this;
    out_.event = &on_event;
  }
  ~UsedRuntime() override { destroy(); }

  StepResult create(lectern_error* error) override {
    void* self = nullptr;
    auto result = call([&] { return may_throw(runtime_.create)(to_abi(config_), &out_, &self, error); });
    if (result.status == LECTERN_OK && result.thrown.empty()) self_ = self, made_ = true;
    return result;
  }
  std::string destroy() override {
    if (!std::exchange(made_, false)) return {};
    return thrown_by([&] { may_throw(runtime_.destroy)(self_); });
  }
  [[nodiscard]] int steps() const override { return 5; }
  [[nodiscard]] std::string name(int step) const override {
    constexpr const char* names[] = {"list its kernels", "start a kernel that does not exist",
                                     "execute in a kernel that was never started", "interrupt such a kernel",
                                     "shut such a kernel down"};
    return names[step];
  }
  StepResult step(int step) override {
    said_.clear();
    lectern_error error = empty_error();
    StepResult result;
    constexpr std::uint64_t nobody = 4711;
    switch (step) {
      case 0: {
        const Longer<lectern_sink> sink(lectern_sink{sizeof(lectern_sink), 0, this, &on_bytes}, extra);
        result = call([&] { return may_throw(runtime_.kernels)(self_, sink.data(), &error); });
        break;
      }
      case 1:
        result = call(
            [&] { return may_throw(runtime_.start)(self_, nobody, to_abi("no-such-kernel"), to_abi("{}"), &error); });
        break;
      case 2:
        result = call([&] { return may_throw(runtime_.execute)(self_, nobody, 1, to_abi("1"), 0); });
        break;
      case 3:
        result = call([&] { return may_throw(runtime_.interrupt)(self_, nobody); });
        break;
      default:
        result = call([&] { return may_throw(runtime_.shutdown)(self_, nobody); });
        break;
    }
    result.text = said_;
    return result;
  }

 private:
  static lectern_status on_bytes(void* ctx, lectern_str bytes) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedRuntime*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.said_ += view(bytes);
    return LECTERN_OK;
  }
  static void on_event(void*, std::uint64_t, const lectern_runtime_event*) noexcept {}  // any thread, any time

  lectern_runtime runtime_;
  lectern_runtime_out out_{};
  std::string config_, said_;
  void* self_ = nullptr;
  bool made_ = false;
};

}  // namespace

std::unique_ptr<Use> use_transport(const void* interface, std::string config) {
  return std::make_unique<UsedTransport>(interface, std::move(config));
}
std::unique_ptr<Use> use_presence(const void* interface, std::string config) {
  return std::make_unique<UsedPresence>(interface, std::move(config));
}
std::unique_ptr<Use> use_runtime(const void* interface, std::string config) {
  return std::make_unique<UsedRuntime>(interface, std::move(config));
}

}  // namespace lectern::validate
