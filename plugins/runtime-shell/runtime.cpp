#include "runtime.hpp"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/settings.hpp"

namespace shell {
namespace json = lectern::sdk::json;
using lectern::sdk::Failure;
namespace {

constexpr std::string_view kernel_name = "sh";

bool there() {
  return ::access("/bin/sh", X_OK) == 0;
}

}  // namespace

ShellRuntime::ShellRuntime(std::string_view config, lectern::sdk::RuntimeEvents events) : events_(events) {
  lectern::sdk::Settings(config).done();
}

ShellRuntime::~ShellRuntime() {
  std::map<std::uint64_t, KernelPtr> kernels;
  {
    const std::scoped_lock lock(mutex_);
    kernels.swap(kernels_);
  }
  for (const auto& [number, kernel] : kernels) kernel->stop(false);  // all at once, then each is waited for
}

void ShellRuntime::kernels(const lectern::sdk::Sink& out) {
  if (!there()) return out.write("[]");
  out.write(R"json([{"name":"sh","display_name":"Shell (sh)","language":"sh","interrupt_mode":"signal",)json"
            R"json("path":"/bin/sh","by_name_only":true}])json");
}

void ShellRuntime::start(std::uint64_t number, std::string_view name, std::string_view options) {
  if (name != kernel_name || !there()) {
    throw Failure(LECTERN_NOT_FOUND, "there is no shell \"" + std::string(name) + "\"",
                  there() ? "there is: sh" : "/bin/sh is missing on this machine")
        .code("unknown_kernel");
  }
  Command command;
  command.cwd = json::text(json::member(options, "cwd"));
  json::each_member(json::member(options, "env"), [&](std::string_view key, std::string_view value) {
    command.env[json::text(key)] = json::text(value);
    return true;
  });
  std::vector<KernelPtr> gone;  // joined outside the lock
  {
    const std::scoped_lock lock(mutex_);
    for (auto it = kernels_.begin(); it != kernels_.end();) {
      const bool over = it->second->gone();
      if (over) gone.push_back(std::move(it->second));
      it = over ? kernels_.erase(it) : std::next(it);
    }
    const auto it = kernels_.find(number);
    if (it != kernels_.end()) throw Failure(LECTERN_CONFLICT, "kernel " + std::to_string(number) + " runs already");
  }
  auto kernel = std::make_shared<Kernel>(number, std::move(command), events_);
  const std::scoped_lock lock(mutex_);
  kernels_[number] = std::move(kernel);
}

ShellRuntime::KernelPtr ShellRuntime::find(std::uint64_t kernel, bool must_live) {
  const std::scoped_lock lock(mutex_);
  const auto it = kernels_.find(kernel);
  if (it == kernels_.end() || it->second->gone()) {
    throw Failure(LECTERN_NOT_FOUND, "no kernel " + std::to_string(kernel));
  }
  if (must_live && !it->second->alive) throw Failure(LECTERN_UNAVAILABLE, "the shell is dead");
  return it->second;
}

void ShellRuntime::execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::uint32_t flags) {
  find(kernel)->execute(execution, std::string(code), flags);
}

void ShellRuntime::interrupt(std::uint64_t kernel) {
  find(kernel)->interrupt();
}

void ShellRuntime::restart(std::uint64_t kernel) {
  const auto found = find(kernel, false);
  found->alive = true;  // from here on it may be sent to: what comes waits for the new process
  found->stop(true);
}

void ShellRuntime::shutdown(std::uint64_t kernel) {
  find(kernel, false)->stop(false);
}

void ShellRuntime::input(std::uint64_t kernel, std::string_view value) {
  find(kernel)->input(std::string(value));
}

void ShellRuntime::request(std::uint64_t kernel, std::uint64_t request, std::string_view kind,
                           std::string_view content) {
  constexpr std::string_view kinds[] = {"complete", "inspect", "is_complete", "history"};
  if (std::find(std::begin(kinds), std::end(kinds), kind) == std::end(kinds)) {
    throw Failure(LECTERN_UNSUPPORTED, "no request \"" + std::string(kind) + "\"");
  }
  if (!json::valid(content)) throw Failure(LECTERN_INVALID, "the request's content is not JSON");
  find(kernel)->request(request, std::string(kind), std::string(content));
}

void ShellRuntime::comm(std::uint64_t kernel, const lectern::sdk::Comm&) {
  (void)find(kernel);
  throw Failure(LECTERN_UNSUPPORTED, "a shell has no widgets");
}

}  // namespace shell
