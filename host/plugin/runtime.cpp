#include "plugin/runtime.hpp"

#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "lectern/abi/draft/runtime.h"
#include "lectern/abi/ext/cells.h"
#include "plugin/call.hpp"
#include "plugin/checking.hpp"

namespace lectern::plugin {

namespace {

constexpr std::uint64_t max_part = 512ull << 20;
constexpr std::uint32_t max_buffers = 100'000;

/// Kernels print what they like: bytes that are no UTF-8 become U+FFFD, so that one of them costs a character and not
/// the output.
std::string repaired(std::string_view from) {
  std::string to;
  to.reserve(from.size() + 16);
  for (std::size_t i = 0; i < from.size();) {
    std::size_t n = 1;
    while (n <= 4 && i + n <= from.size() && !text::valid_utf8(from.substr(i, n))) ++n;
    if (n <= 4 && i + n <= from.size()) {
      to.append(from, i, n);
      i += n;
    } else {
      to += "\xEF\xBF\xBD";
      ++i;
    }
  }
  return to;
}

bool copy_to(lectern_str from, std::string& to) {
  if (!sane(from, max_part)) return false;
  to = text::valid_utf8(view(from)) ? std::string(view(from)) : repaired(view(from));
  return true;
}

bool value_fits(const lectern_runtime_event& event) {
  switch (event.kind) {
    case LECTERN_RUN_STATE:
      return event.value >= LECTERN_KERNEL_STARTING && event.value <= LECTERN_KERNEL_UNREACHABLE;
    case LECTERN_RUN_FINISHED:
      return event.value >= LECTERN_FINISHED_OK && event.value <= LECTERN_FINISHED_ABORTED;
    case LECTERN_RUN_AGAIN:
      return (event.execution & LECTERN_RUN_OWN) != 0;
    default:
      return true;
  }
}

/// Empty text = fine; else what is wrong with the event.
std::string convert(const lectern_runtime_event* raw, RuntimeEvent& to) {
  if (raw == nullptr) return "sent no event where one was announced";
  const lectern_runtime_event event = read_struct(raw);
  if ((event.kind < LECTERN_RUN_STATE || event.kind > LECTERN_RUN_COMM_CLOSE) && event.kind != LECTERN_RUN_AGAIN)
    return "sent an event of kind " + std::to_string(event.kind);
  if (!value_fits(event))
    return "sent an event of kind " + std::to_string(event.kind) + " with value " + std::to_string(event.value) +
           " of execution " + std::to_string(event.execution);
  if (event.n_buffers > max_buffers || (event.n_buffers != 0 && event.buffers == nullptr))
    return "sent " + std::to_string(event.n_buffers) + " buffers";
  to.kind = static_cast<RuntimeEventKind>(event.kind);
  to.value = event.value;
  to.execution = event.execution;
  to.request = event.request;
  const bool texts = copy_to(event.name, to.name) && copy_to(event.text, to.text) && copy_to(event.json, to.json) &&
                     copy_to(event.metadata, to.metadata);
  if (!texts) return "sent an event of kind " + std::to_string(event.kind) + " with text that is too long";
  to.buffers.reserve(event.n_buffers);
  for (std::uint32_t i = 0; i < event.n_buffers; ++i) {
    if (!sane(event.buffers[i], max_part)) return "sent a buffer of " + std::to_string(event.buffers[i].n) + " bytes";
    to.buffers.emplace_back(view(event.buffers[i]));
  }
  return {};
}

}  // namespace

struct Runtime::Inner {
  GenerationPtr generation;
  lectern_runtime abi{};
  lectern_cells cells{};  // all null when the plugin does not offer it
  void* self = nullptr;
  OnEvent on_event;
  std::mutex telling_mutex;
  std::set<std::uint64_t> telling;  // kernels of which an event is just being taken
  // The plugin keeps a pointer to it until destroy. The last member, so that it ends before what its events need.
  std::optional<Loan<lectern_runtime_out>> out;
  std::unique_ptr<isolation::RemoteRuntime> remote;  // instead of `self` and `out`

  static void event(void* ctx, std::uint64_t kernel, const lectern_runtime_event* raw) noexcept {
    Lent::shared(ctx, "lectern_runtime_out.event",
                 [&](void* target) { static_cast<Inner*>(target)->take(kernel, raw); });
  }
  void take(std::uint64_t kernel, const lectern_runtime_event* raw) noexcept {
    const bool alone = begin(kernel);
    convey(*this, kernel, raw, {});
    if (alone) end(kernel);
  }
  /// False when an event of that kernel is being taken on another thread: their order is lost.
  bool begin(std::uint64_t kernel) noexcept {
    if (!generation->checker()->watches()) return false;
    try {
      const std::scoped_lock lock(telling_mutex);
      if (telling.insert(kernel).second) return true;
    } catch (...) {  // out of memory: not watched this once
      return false;
    }
    generation->checker()->broken(Side::plugin, "[any]", "lectern_runtime_out.event",
                                  "was called on two threads at the same time for one kernel");
    return false;
  }
  void end(std::uint64_t kernel) noexcept {
    const std::scoped_lock lock(telling_mutex);
    telling.erase(kernel);
  }
  static void convey(Inner& inner, std::uint64_t kernel, const lectern_runtime_event* raw,
                     isolation::Credit credit) noexcept {
    try {
      RuntimeEvent made;
      made.kernel = kernel;
      made.credit = std::move(credit);
      if (const std::string garbage = convert(raw, made); !garbage.empty()) {
        inner.generation->count_failure("tell what happens: " + garbage);
        return;
      }
      inner.on_event(std::move(made));
    } catch (const std::exception& problem) {
      inner.dropped(std::string("have an event taken: ") + problem.what());
    } catch (...) {
      inner.dropped("have an event taken: unknown exception");
    }
  }
  void dropped(const std::string& what) noexcept {
    try {
      generation->count_failure(what);
    } catch (...) {  // not even memory for the report
    }
  }

  /// As an event, for whoever waits for the reply, or (0) should know that the kernel was not told.
  static void convey_refusal(Inner& inner, std::uint64_t kernel, const isolation::RemoteRuntime::Refused& what,
                             lectern_status status, const lectern_error& error) noexcept {
    try {
      RuntimeEvent made;
      made.kind = RuntimeEventKind::reply;
      made.kernel = kernel;
      made.request = what.request;
      made.name = what.comm;
      made.value = what.number;
      const auto* doing = what.request == 0 ? "pass a message on" : "ask the kernel";
      made.refused = inner.failed(doing, "kernel_unavailable", status, error);
      inner.on_event(std::move(made));
    } catch (const std::exception& problem) {
      inner.dropped(std::string("have a refusal taken: ") + problem.what());
    } catch (...) {
      inner.dropped("have a refusal taken: unknown exception");
    }
  }

  [[nodiscard]] Error failed(std::string_view doing, std::string_view unavailable, lectern_status status,
                             const lectern_error& error) const {
    Error made = call_error(*generation, doing, status, error, 400, "bad_request");
    if (made.code == "not_found") made.code = "unknown_kernel";
    if (made.code == "unavailable") made.code = std::string(unavailable);
    return made;
  }
  template <class Body>
  Status call(std::string_view doing, std::string_view unavailable, Body&& body) {
    lectern_error error = empty_error();
    const auto status = guarded(*generation, doing, error, [&] { return body(error); });
    if (status == LECTERN_OK) return {};
    return fail(failed(doing, unavailable, status, error));
  }
  template <class Body>
  Status hand_over(std::string_view doing, Body&& body) {
    return call(doing, "kernel_unavailable", [&](lectern_error&) { return body(); });
  }
};

Runtime::Runtime(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

Runtime::~Runtime() {
  if (inner_->remote != nullptr) return;  // ends its process
  const std::scoped_lock lock(control_mutex());
  guarded_void(*inner_->generation, "stop its kernels", [&] { may_throw(inner_->abi.destroy)(inner_->self); });
}

Result<std::shared_ptr<Runtime>> Runtime::create(GenerationPtr generation, std::string_view config_json,
                                                 OnEvent on_event) {
  auto inner = std::make_unique<Inner>();
  inner->abi = read_struct(static_cast<const lectern_runtime*>(generation->interface()));
  inner->generation = std::move(generation);
  if (const auto* cells = inner->generation->extension(LECTERN_EXT_CELLS))
    inner->cells = read_struct(static_cast<const lectern_cells*>(cells));
  inner->on_event = std::move(on_event);
  LECTERN_CHECK(inner->generation->check_config(config_json));
  inner->out.emplace(inner->generation->checker(), inner.get(),
                     lectern_runtime_out{sizeof(lectern_runtime_out), 0, nullptr, &Inner::event});
  const std::scoped_lock lock(control_mutex());
  lectern_error error = empty_error();
  void* self = nullptr;
  const auto status = guarded(*inner->generation, "take these settings", error, [&] {
    auto* const remote = inner->generation->remote();
    if (remote == nullptr) return may_throw(inner->abi.create)(to_abi(config_json), inner->out->get(), &self, &error);
    lectern_status made = LECTERN_OK;
    inner->remote = remote->runtime(
        config_json,
        {[to = inner.get()](std::uint64_t kernel, const lectern_runtime_event& event, isolation::Credit credit) {
           Inner::convey(*to, kernel, &event, std::move(credit));
         },
         [to = inner.get()](std::uint64_t kernel, const isolation::RemoteRuntime::Refused& what, lectern_status refused,
                            const lectern_error& why) { Inner::convey_refusal(*to, kernel, what, refused, why); },
         [to = inner.get()](const std::string& what) { to->dropped(what); }},
        made, error);
    return made;
  });
  if (status != LECTERN_OK) {
    Error failed = call_error(*inner->generation, "take these settings", status, error, 400, "bad_config");
    if (failed.code == "unavailable") failed.code = "runtime_unavailable";
    return fail(std::move(failed));
  }
  inner->self = self;
  inner->generation->activate();
  return std::shared_ptr<Runtime>(new Runtime(std::move(inner)));
}

Result<std::string> Runtime::kernels() {
  std::string list;
  const auto append = [](void* ctx, lectern_str bytes) noexcept -> lectern_status {
    auto* lent = static_cast<std::string*>(Lent::borrowed(ctx, "lectern_sink.write"));
    if (lent == nullptr) return LECTERN_CONFLICT;
    try {
      auto& to = *lent;
      if (!sane(bytes, 16u << 20) || to.size() + bytes.n > 16u << 20) return LECTERN_TOO_LARGE;
      to.append(view(bytes));
      return LECTERN_OK;
    } catch (...) {
      return LECTERN_INTERNAL;
    }
  };
  const Loan<lectern_sink> sink(inner_->generation->checker(), &list, {sizeof(lectern_sink), 0, nullptr, append});
  LECTERN_CHECK(inner_->call("list its kernels", "runtime_unavailable", [&](lectern_error& error) {
    if (inner_->remote != nullptr) return inner_->remote->kernels(*sink.get(), error);
    return may_throw(inner_->abi.kernels)(inner_->self, sink.get(), &error);
  }));
  const auto parsed = json::parse(list);
  if (!parsed || parsed->as_array() == nullptr) {
    const std::string what = "list its kernels: wrote no JSON array";
    inner_->generation->count_failure(what);
    return fail(500, "plugin_failed", id() + " could not " + what, "This is a fault of the runtime plugin.");
  }
  return list;
}

Status Runtime::start(std::uint64_t kernel, std::string_view name, std::string_view options_json) {
  return inner_->call("start a kernel", "runtime_unavailable", [&](lectern_error& error) {
    if (inner_->remote != nullptr) return inner_->remote->start(kernel, name, options_json, error);
    return may_throw(inner_->abi.start)(inner_->self, kernel, to_abi(name), to_abi(options_json), &error);
  });
}

Status Runtime::execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::string_view cell,
                        std::uint32_t flags) {
  return inner_->hand_over("run code", [&] {
    if (inner_->remote != nullptr) return inner_->remote->execute(kernel, execution, code, cell, flags);
    if (inner_->cells.execute != nullptr && !cell.empty())
      return may_throw(inner_->cells.execute)(inner_->self, kernel, execution, to_abi(cell), to_abi(code), flags);
    return may_throw(inner_->abi.execute)(inner_->self, kernel, execution, to_abi(code), flags);
  });
}
Status Runtime::forget_cell(std::uint64_t kernel, std::string_view cell) {
  return inner_->hand_over("forget a cell", [&] {
    if (inner_->remote != nullptr) return inner_->remote->forget_cell(kernel, cell);
    if (inner_->cells.forget == nullptr) return lectern_status{LECTERN_OK};
    return may_throw(inner_->cells.forget)(inner_->self, kernel, to_abi(cell));
  });
}
Status Runtime::interrupt(std::uint64_t kernel) {
  return inner_->hand_over("interrupt", [&] {
    if (inner_->remote != nullptr) return inner_->remote->interrupt(kernel);
    return may_throw(inner_->abi.interrupt)(inner_->self, kernel);
  });
}
Status Runtime::restart(std::uint64_t kernel) {
  return inner_->hand_over("restart", [&] {
    if (inner_->remote != nullptr) return inner_->remote->restart(kernel);
    return may_throw(inner_->abi.restart)(inner_->self, kernel);
  });
}
Status Runtime::shutdown(std::uint64_t kernel) {
  return inner_->hand_over("shut down", [&] {
    if (inner_->remote != nullptr) return inner_->remote->shutdown(kernel);
    return may_throw(inner_->abi.shutdown)(inner_->self, kernel);
  });
}
Status Runtime::input(std::uint64_t kernel, std::string_view value) {
  return inner_->hand_over("pass a line on", [&] {
    if (inner_->remote != nullptr) return inner_->remote->input(kernel, value);
    return may_throw(inner_->abi.input)(inner_->self, kernel, to_abi(value));
  });
}
Status Runtime::request(std::uint64_t kernel, std::uint64_t request, std::string_view kind,
                        std::string_view content_json) {
  return inner_->hand_over("ask the kernel", [&] {
    if (inner_->remote != nullptr) return inner_->remote->request(kernel, request, kind, content_json);
    return may_throw(inner_->abi.request)(inner_->self, kernel, request, to_abi(kind), to_abi(content_json));
  });
}

Status Runtime::comm(std::uint64_t kernel, const CommMessage& message) {
  std::vector<lectern_str> buffers;
  buffers.reserve(message.buffers.size());
  for (const auto buffer : message.buffers) buffers.push_back(to_abi(buffer));
  const lectern_comm flat{sizeof(lectern_comm),     static_cast<std::uint32_t>(buffers.size()),
                          to_abi(message.kind),     to_abi(message.comm_id),
                          to_abi(message.target),   to_abi(message.data),
                          to_abi(message.metadata), buffers.data()};
  return inner_->hand_over("pass a comm message on", [&] {
    if (inner_->remote != nullptr) return inner_->remote->comm(kernel, flat, message.number);
    return may_throw(inner_->abi.comm)(inner_->self, kernel, &flat);
  });
}

const std::string& Runtime::id() const {
  return inner_->generation->id();
}
const GenerationPtr& Runtime::generation() const {
  return inner_->generation;
}

}  // namespace lectern::plugin
