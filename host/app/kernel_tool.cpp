#include "app/kernel_tool.hpp"

#include <iostream>

#include "app/paths.hpp"
#include "base/error_text.hpp"
#include "base/json.hpp"
#include "runtime/kept_kernels.hpp"

namespace lectern::app {
namespace {

using runtime::KeptKernel;
using runtime::KeptKernels;

Result<std::filesystem::path> state_folder(const ToolOptions& options) {
  if (!options.state_dir.empty()) return options.state_dir;
  LECTERN_TRY(const auto host, configured());
  return host.state_dir;
}

/// "host": one speaks for it; "waits": for the next; "remote": the same, and only its gateway knows whether it lives;
/// "gone".
std::string_view state_of(const KeptKernel& kernel) {
  if (KeptKernels::held_elsewhere(kernel)) return "host";
  if (kernel.dead) return "gone";
  if (kernel.process == 0) return "remote";
  return KeptKernels::alive(kernel) ? "waits" : "gone";
}

std::string words_of(const KeptKernel& kernel) {
  const auto state = state_of(kernel);
  if (state == "host") return "of the host with pid " + std::to_string(kernel.host);
  if (state == "remote") return "at a gateway, waits for the next host";
  return state == "waits" ? "waits for the next host" : "gone";
}

json::Value row_of(const KeptKernel& kernel) {
  json::Value row;
  row.set("session_id", kernel.session_id);
  row.set("path", kernel.path);
  row.set("runtime", kernel.kernel.name);
  row.set("state", state_of(kernel));
  row.set("process", kernel.process);
  row.set("running", kernel.running.has_value());
  row.set("since", kernel.since);
  return row;
}

Status end(KeptKernels& kept, const KeptKernel& kernel) {
  const auto state = state_of(kernel);
  if (state == "host") {
    return fail(409, "kernel_in_use",
                "the host with pid " + std::to_string(kernel.host) + " speaks for the kernel of " + kernel.path,
                "shut it down in its session");
  }
  if (state == "remote") {
    return fail(503, "kernel_unavailable", "the kernel of " + kernel.path + " is at a gateway",
                "start a host with the same --gateway, which finds it again, or end it at the gateway");
  }
  if (!KeptKernels::end(kernel)) {
    return fail(503, "kernel_unavailable", "the process " + std::to_string(kernel.process) + " does not end");
  }
  kept.clear(kernel);
  return {};
}

}  // namespace

Status run_kernels(const ToolOptions& options) {
  LECTERN_TRY(const auto folder, state_folder(options));
  KeptKernels kept(folder, false, [](Task task) { task(); });
  const auto wanted = options.positional.empty() ? std::string() : options.positional.front();
  json::Array rows;
  bool found = wanted.empty();
  for (const auto& kernel : kept.list()) {
    if (!wanted.empty() && kernel.session_id != wanted) continue;
    found = true;
    auto row = row_of(kernel);
    bool did_end = false;
    if (options.end) {
      // Those of hosts that run are meant only when they are named.
      if (wanted.empty() && state_of(kernel) == "host") continue;
      auto ended = end(kept, kernel);
      if (!ended && !wanted.empty()) return ended;
      did_end = ended.has_value();
      row.set("ended", did_end);
      if (!ended) std::cerr << in_full(ended.error()) << "\n";
    }
    if (!options.json) {
      std::cout << kernel.session_id << "  " << kernel.path << "  " << kernel.kernel.name << "  "
                << (options.end ? (did_end ? "ended" : "not ended") : words_of(kernel)) << "\n";
    }
    rows.push_back(std::move(row));
  }
  if (!found) {
    return fail(404, "session_not_found", "no kernel is kept for the session " + wanted, "see lectern kernels");
  }
  if (options.json) {
    json::Value out;
    out.set("kernels", std::move(rows));
    std::cout << json::write(out) << "\n";
  } else if (rows.empty()) {
    std::cout << (options.end ? "There is none to end.\n" : "None is kept.\n");
  }
  return {};
}

}  // namespace lectern::app
