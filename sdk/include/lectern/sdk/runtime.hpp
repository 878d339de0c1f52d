// A runtime in C++: derive from Runtime and say LECTERN_PLUGIN(RuntimeOf<MyRuntime>).
//
//   class Mine : public lectern::sdk::Runtime {
//    public:
//     Mine(std::string_view config, lectern::sdk::RuntimeEvents events);
//     …
//   };
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lectern/abi/draft/runtime.h"
#include "lectern/abi/ext/cells.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/plugin.hpp"
#include "lectern/sdk/sink.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {

/// One event; what each field means per kind is in lectern/abi/draft/runtime.h. Views live until send returns.
/// `request` is of LECTERN_RUN_REPLY alone: the number that request() was called with, once.
struct RuntimeEvent {
  std::uint32_t kind = LECTERN_RUN_STATE;  // LECTERN_RUN_*
  std::int64_t value = 0;
  std::uint64_t execution = 0, request = 0;
  std::string_view name, text, json, metadata;
  std::vector<std::string_view> buffers;
};

/// The way to the host. Copy it freely; valid until the runtime's destructor returns.
class RuntimeEvents {
 public:
  explicit RuntimeEvents(const lectern_runtime_out* out) : out_(*out) {}
  /// [any] For one kernel from one thread at a time, in order.
  void send(std::uint64_t kernel, const RuntimeEvent& from) const {
    std::vector<lectern_str> buffers;
    buffers.reserve(from.buffers.size());
    for (const auto buffer : from.buffers) buffers.push_back(str(buffer));
    lectern_runtime_event to{};
    to.struct_size = sizeof to;
    to.kind = from.kind;
    to.value = from.value;
    to.execution = from.execution;
    to.request = from.request;
    to.name = str(from.name);
    to.text = str(from.text);
    to.json = str(from.json);
    to.metadata = str(from.metadata);
    to.buffers = buffers.data();
    to.n_buffers = static_cast<std::uint32_t>(buffers.size());
    out_.event(out_.ctx, kernel, &to);
  }

 private:
  lectern_runtime_out out_;
};

/// A comm message from a client. Views live during the call.
struct Comm {
  std::string_view kind, comm_id, target, data, metadata;
  std::vector<std::string_view> buffers;
};

/// The destructor shuts every kernel down and joins every thread. All but kernels() and start() hand over and return.
/// Views live during the call: of start's options what is needed later is copied, `take_up.comms` among it, which
/// counts until the kernel ends. request() is answered by one LECTERN_RUN_REPLY from the thread that sends the kernel's
/// events. A Failure of those becomes its status only (there is no text at that place of the interface): log what
/// people need.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual void kernels(const Sink& out) = 0;                                                           // [worker]
  virtual void start(std::uint64_t kernel, std::string_view name, std::string_view options_json) = 0;  // [worker]
  virtual void execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::uint32_t flags) = 0;
  virtual void interrupt(std::uint64_t kernel) = 0;
  virtual void restart(std::uint64_t kernel) = 0;
  virtual void shutdown(std::uint64_t kernel) = 0;
  virtual void input(std::uint64_t kernel, std::string_view value) = 0;
  virtual void request(std::uint64_t kernel, std::uint64_t request, std::string_view kind,
                       std::string_view content_json) = 0;
  virtual void comm(std::uint64_t kernel, const Comm& message) = 0;
};

/// A runtime whose kernels run cells by themselves (lectern/abi/ext/cells.h): derive from this one instead, and
/// announce each such run by a LECTERN_RUN_AGAIN.
class CellRuntime : public Runtime {
 public:
  /// `cell` is the cell's id; empty for code of no cell. What ran under that id before counts no more.
  virtual void execute_cell(std::uint64_t kernel, std::uint64_t execution, std::string_view cell, std::string_view code,
                            std::uint32_t flags) = 0;
  virtual void forget_cell(std::uint64_t kernel, std::string_view cell) = 0;
  void execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::uint32_t flags) final {
    execute_cell(kernel, execution, {}, code, flags);
  }
};

template <class T>
struct RuntimeOf {
  using Plugin = T;
  static constexpr std::string_view kind = LECTERN_KIND_RUNTIME;

  static const lectern_runtime& abi() {
    static const lectern_runtime made{sizeof(lectern_runtime),
                                      0,
                                      &create,
                                      &destroy,
                                      &kernels,
                                      &start,
                                      &execute,
                                      &interrupt,
                                      &restart,
                                      &shutdown,
                                      &input,
                                      &request,
                                      &comm};
    return made;
  }

  static const void* extension(std::string_view id) noexcept {
    if constexpr (std::is_base_of_v<CellRuntime, T>) {
      static const lectern_cells made{sizeof(lectern_cells), 0, &execute_cell, &forget_cell};
      if (id == LECTERN_EXT_CELLS) return &made;
    }
    return nullptr;
  }

 private:
  /// The calls that hand something over to a kernel and say only whether that worked.
  template <class Body>
  static lectern_status hand_over(std::string_view where, void* self, lectern_str text, Body&& body) noexcept {
    detail::Call call(where);
    call.initialised().object(self).text(text, "text");
    return call.run([&] { body(detail::value<T>(self)); });
  }
  static lectern_status create(lectern_str config, const lectern_runtime_out* out, void** self,
                               lectern_error* error) noexcept {
    detail::Call call("lectern_runtime.create", error);
    call.initialised().control().given(out, "way for events").text(config, "config");
    if (call.failed()) return LECTERN_CONFLICT;
    return detail::make<T>(call, self, view(config), RuntimeEvents(out));
  }
  static void destroy(void* self) noexcept { detail::unmake<T>("lectern_runtime.destroy", self); }
  static lectern_status kernels(void* self, const lectern_sink* out, lectern_error* error) noexcept {
    detail::Call call("lectern_runtime.kernels", error);
    call.initialised().object(self).given(out, "sink");
    return call.run([&] { detail::value<T>(self).kernels(Sink(*out)); });
  }
  static lectern_status start(void* self, std::uint64_t kernel, lectern_str name, lectern_str options,
                              lectern_error* error) noexcept {
    detail::Call call("lectern_runtime.start", error);
    call.initialised().object(self).text(name, "name").text(options, "options");
    return call.run([&] { detail::value<T>(self).start(kernel, view(name), view(options)); });
  }
  static lectern_status execute(void* self, std::uint64_t kernel, std::uint64_t execution, lectern_str code,
                                std::uint32_t flags) noexcept {
    return hand_over("lectern_runtime.execute", self, code,
                     [&](T& runtime) { runtime.execute(kernel, execution, view(code), flags); });
  }
  static lectern_status execute_cell(void* self, std::uint64_t kernel, std::uint64_t execution, lectern_str cell,
                                     lectern_str code, std::uint32_t flags) noexcept {
    return hand_over("lectern_cells.execute", self, code,
                     [&](T& runtime) { runtime.execute_cell(kernel, execution, view(cell), view(code), flags); });
  }
  static lectern_status forget_cell(void* self, std::uint64_t kernel, lectern_str cell) noexcept {
    return hand_over("lectern_cells.forget", self, cell, [&](T& runtime) { runtime.forget_cell(kernel, view(cell)); });
  }
  static lectern_status interrupt(void* self, std::uint64_t kernel) noexcept {
    return hand_over("lectern_runtime.interrupt", self, {}, [&](T& runtime) { runtime.interrupt(kernel); });
  }
  static lectern_status restart(void* self, std::uint64_t kernel) noexcept {
    return hand_over("lectern_runtime.restart", self, {}, [&](T& runtime) { runtime.restart(kernel); });
  }
  static lectern_status shutdown(void* self, std::uint64_t kernel) noexcept {
    return hand_over("lectern_runtime.shutdown", self, {}, [&](T& runtime) { runtime.shutdown(kernel); });
  }
  static lectern_status input(void* self, std::uint64_t kernel, lectern_str value) noexcept {
    return hand_over("lectern_runtime.input", self, value, [&](T& runtime) { runtime.input(kernel, view(value)); });
  }
  static lectern_status request(void* self, std::uint64_t kernel, std::uint64_t request, lectern_str kind_of,
                                lectern_str content) noexcept {
    return hand_over("lectern_runtime.request", self, content,
                     [&](T& runtime) { runtime.request(kernel, request, view(kind_of), view(content)); });
  }
  static lectern_status comm(void* self, std::uint64_t kernel, const lectern_comm* from) noexcept {
    detail::Call call("lectern_runtime.comm");
    call.initialised().object(self).given(from, "message");
    if (!call.failed()) call.text(from->data, "data");
    return call.run([&] {
      Comm message{view(from->kind), view(from->comm_id),  view(from->target),
                   view(from->data), view(from->metadata), {}};
      message.buffers.reserve(from->n_buffers);
      for (std::uint32_t i = 0; i < from->n_buffers; ++i) message.buffers.push_back(view(from->buffers[i]));
      detail::value<T>(self).comm(kernel, message);
    });
  }
};

}  // namespace lectern::sdk
