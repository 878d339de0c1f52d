#include "runtime.hpp"

#include <algorithm>
#include <chrono>

#include "../jupyter-messages/questions.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"

extern char** environ;

namespace gateway {
namespace json = lectern::sdk::json;
using lectern::sdk::Failure;
namespace {

constexpr std::chrono::seconds to_end_all{6};

std::vector<std::shared_ptr<const Server>> servers(net::Io& io, const Options& options) {
  std::vector<std::shared_ptr<const Server>> out;
  for (const auto& place : options.places) out.push_back(std::make_shared<const Server>(io, place, options));
  return out;
}

void add_variable(std::string_view name, std::string_view value, std::string& out) {
  if (!name.starts_with("KERNEL_")) return;
  if (out.size() > 1) out += ',';
  out += json::quoted(name) + ":" + json::quoted(value);
}

/// What gateways take: KERNEL_* of ours, as Jupyter's own gateway client sends it, and of what the host wants set. All
/// else of our environment is nothing to another machine.
std::string environment(std::string_view options) {
  std::string out = "{";
  const auto wanted = json::member(options, "env");
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || !json::member(wanted, text.substr(0, equals)).empty()) continue;
    add_variable(text.substr(0, equals), text.substr(equals + 1), out);
  }
  json::each_member(wanted, [&](std::string_view key, std::string_view value) {
    add_variable(json::text(key), json::text(value), out);
    return true;
  });
  return out + "}";
}

Keep keeping(std::string_view options) {
  Keep out;
  out.folder = json::text(json::member(options, "keep"));
  const auto taken_up = json::member(options, "take_up");
  out.take_up = !out.folder.empty() && json::is_object(taken_up);
  if (!out.take_up) return out;
  out.life = static_cast<std::uint64_t>(json::integer(json::member(taken_up, "life")).value_or(0));
  out.running = static_cast<std::uint64_t>(json::integer(json::member(taken_up, "running")).value_or(0));
  out.comms = jupyter::Conversation::makers_in(taken_up);
  return out;
}

}  // namespace

const std::string_view& GatewayRuntime::config_schema = options_schema;

GatewayRuntime::GatewayRuntime(std::string_view config, lectern::sdk::RuntimeEvents events)
    : events_(events),
      options_(read_options(config)),
      servers_(servers(io_, options_)),
      specs_(std::make_shared<Specs>(servers_)) {}

GatewayRuntime::~GatewayRuntime() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (const auto& [number, kernel] : kernels_) {
    io_.post([this, number = number, kernel = kernel] {
      kernel->host_ends([this, number, raw = kernel.get()] { remove(number, raw); });
    });
  }
  const bool ended = fewer_.wait_for(lock, to_end_all, [this] { return kernels_.empty(); });
  lock.unlock();
  if (!ended) lectern::sdk::log_warning("kernels at a gateway may go on: it did not answer in time");
  io_.stop();  // from here on nothing of theirs runs
}

void GatewayRuntime::remove(std::uint64_t number, const Kernel* kernel) {
  const std::scoped_lock lock(mutex_);
  const auto it = kernels_.find(number);
  if (it != kernels_.end() && it->second.get() == kernel) kernels_.erase(it);
  fewer_.notify_all();
}

GatewayRuntime::KernelPtr GatewayRuntime::find(std::uint64_t kernel, bool must_live) {
  const std::scoped_lock lock(mutex_);
  const auto it = kernels_.find(kernel);
  if (it == kernels_.end()) throw Failure(LECTERN_NOT_FOUND, "no kernel " + std::to_string(kernel));
  if (must_live && !it->second->alive) throw Failure(LECTERN_UNAVAILABLE, "the kernel is dead");
  return it->second;
}

void GatewayRuntime::kernels(const lectern::sdk::Sink& out) {
  std::string text = "[";
  for (const auto& spec : specs_->list()) {
    if (text.size() > 1) text += ',';
    text += "{\"name\":" + json::quoted(spec.name) + ",\"display_name\":" + json::quoted(spec.display_name) +
            ",\"language\":" + json::quoted(spec.language) +
            ",\"interrupt_mode\":" + json::quoted(spec.interrupt_mode) +
            ",\"path\":" + json::quoted(spec.server->authority()) + "}";
  }
  out.write(text + "]");
}

Spec GatewayRuntime::spec_of(std::string_view name, const Keep& keep) const {
  // Of one that was kept all is known, whether its gateway answers now or not.
  if (keep.take_up) {
    const auto kept = read_kept(keep.folder);
    for (const auto& server : servers_) {
      if (server->authority() == kept.authority)
        return {std::string(name), kept.remote, {}, kept.language, "signal", server};
    }
    throw Failure(LECTERN_NOT_FOUND, "no --gateway names " + kept.authority + ", where it runs").code("unknown_kernel");
  }
  const auto specs = specs_->list();
  const auto spec = std::find_if(specs.begin(), specs.end(), [&](const Spec& one) { return one.name == name; });
  if (spec == specs.end()) {
    std::string known;
    for (const auto& one : specs) known += (known.empty() ? "" : ", ") + one.name;
    throw Failure(LECTERN_NOT_FOUND, "no gateway has a kernel \"" + std::string(name) + "\"",
                  known.empty() ? "install one there" : "there are: " + known)
        .code("unknown_kernel");
  }
  return *spec;
}

void GatewayRuntime::start(std::uint64_t number, std::string_view name, std::string_view options) {
  const auto keep = keeping(options);
  auto kernel = std::make_shared<Kernel>(number, spec_of(name, keep), environment(options), keep, events_);
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) throw Failure(LECTERN_UNAVAILABLE, "the runtime is ending");
    if (!kernels_.emplace(number, kernel).second) {
      throw Failure(LECTERN_CONFLICT, "kernel " + std::to_string(number) + " runs already");
    }
  }
  // A cluster may take a minute to start one: nobody waits for that here, what comes of it is told by events.
  io_.post([kernel] { kernel->start(); });
}

void GatewayRuntime::execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code,
                             std::uint32_t flags) {
  io_.post([kernel = find(kernel), execution, code = std::string(code), flags]() mutable {
    kernel->execute(execution, std::move(code), flags);
  });
}

void GatewayRuntime::interrupt(std::uint64_t kernel) {
  io_.post([kernel = find(kernel)] { kernel->interrupt(); });
}

void GatewayRuntime::restart(std::uint64_t kernel) {
  auto found = find(kernel, false);
  found->alive = true;  // from here on it may be sent to: what comes waits for the new process
  io_.post([found = std::move(found)] { found->restart(); });
}

void GatewayRuntime::shutdown(std::uint64_t kernel) {
  io_.post([this, kernel, found = find(kernel, false)] {
    found->shutdown([this, kernel, raw = found.get()] { remove(kernel, raw); });
  });
}

void GatewayRuntime::input(std::uint64_t kernel, std::string_view value) {
  io_.post([kernel = find(kernel), value = std::string(value)] { kernel->input(value); });
}

void GatewayRuntime::request(std::uint64_t kernel, std::uint64_t request, std::string_view kind,
                             std::string_view content) {
  constexpr std::string_view kinds[] = {"complete", "inspect", "is_complete", "history", "comm_info"};
  if (!json::valid(content)) throw Failure(LECTERN_INVALID, "the request's content is not JSON");
  const auto asked = find(kernel);
  if (auto ask = jupyter::question(kind, content, asked->language())) {
    return io_.post([asked, request, ask = std::move(*ask)]() mutable { asked->question(request, std::move(ask)); });
  }
  if (std::find(std::begin(kinds), std::end(kinds), kind) == std::end(kinds)) {
    throw Failure(LECTERN_UNSUPPORTED, "no request \"" + std::string(kind) + "\"");
  }
  io_.post([kernel = asked, request, kind = std::string(kind), content = std::string(content)]() mutable {
    kernel->request(request, kind, std::move(content));
  });
}

void GatewayRuntime::comm(std::uint64_t kernel, const lectern::sdk::Comm& message) {
  if (message.kind != "open" && message.kind != "msg" && message.kind != "close") {
    throw Failure(LECTERN_UNSUPPORTED, "no comm message \"" + std::string(message.kind) + "\"");
  }
  if (!json::valid(message.data)) throw Failure(LECTERN_INVALID, "the comm message's data is not JSON");
  jupyter::CommCopy copy{std::string(message.kind), std::string(message.comm_id),  std::string(message.target),
                         std::string(message.data), std::string(message.metadata), {}};
  for (const auto buffer : message.buffers) copy.buffers.emplace_back(buffer);
  io_.post([kernel = find(kernel), copy = std::move(copy)] { kernel->comm(copy); });
}

}  // namespace gateway
