// What notebooks cost in memory, while they are open and after.
#include "load/host.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"

namespace load {

// What a host keeps of notebooks that are closed again. Each is opened, edited by one of two tabs, and ended.
void memory(const Options& options, Report& report) {
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  host.request("GET", "/health");
  report.add("memory: resident before any notebook", "MB", host.resident_mb(), {{"value", 15}});
  report.add("memory: of it the process's own (anonymous)", "MB", host.anonymous_mb());
  const auto outputs = "[{\"name\":\"stdout\",\"output_type\":\"stream\",\"text\":\"" + std::string(2000, 'o') + "\"}]";
  const auto text = notebook("print(1)", 100, outputs);
  int opened = 0;
  for (const int upto : {1, 10, 100, 200}) {
    for (; opened < upto; ++opened) {
      const auto name = "n" + std::to_string(opened) + ".ipynb";
      host.write(name, text);
      const auto session = host.open(name);
      Socket editor(host, session);
      const Socket reader(host, session, "document=changes");
      editor.send_text(command("e", "transaction", R"({"changes":[{"type":"set_source","cell_id":"c0","source":"x"}]})",
                               editor.epoch()));
      editor.until("\"id\":\"e\"");
      host.request("DELETE", "/api/v1/sessions/" + session);
    }
    host.settle();
    const auto after = "after " + std::to_string(upto) + " notebooks opened and closed";
    report.add("memory: resident " + after, "MB", host.resident_mb());
    report.add("memory: of it anonymous " + after, "MB", host.anonymous_mb());
  }
}

// Each of 1 MB, open with one viewer that has all of it and one edit made.
void open_memory(const Options& options, Report& report) {
  const int count = options.brief ? 5 : 40;
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  const auto outputs = "[{\"name\":\"stdout\",\"output_type\":\"stream\",\"text\":\"" + std::string(7700, 'o') + "\"}]";
  const auto text = notebook(std::string(2000, 's'), 100, outputs);
  host.request("GET", "/health");
  const auto resident = host.resident_mb(), anonymous = host.anonymous_mb();
  std::vector<Socket> viewers;
  viewers.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const auto name = "n" + std::to_string(i) + ".ipynb";
    host.write(name, text);
    auto& viewer = viewers.emplace_back(host, host.open(name));
    viewer.send_text(command("e", "transaction", R"({"changes":[{"type":"set_source","cell_id":"c0","source":"x"}]})",
                             viewer.epoch()));
    viewer.until("\"id\":\"e\"");
  }
  host.rest();
  report.add("open-memory: a notebook's file", "MB", static_cast<double>(text.size()) / 1e6);
  report.add("open-memory: resident, for each of " + std::to_string(count) + " open notebooks", "MB",
             (host.resident_mb() - resident) / count);
  report.add("open-memory: of it anonymous", "MB", (host.anonymous_mb() - anonymous) / count);
}

}  // namespace load
