// Notebooks: what running, opening, saving and closing them costs.
#include "load/host.hpp"
#include "load/kernel_floor.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"

namespace load {

std::string notebook(const std::string& source, int cells, const std::string& outputs) {
  std::string text = "{\n \"cells\": [\n";
  for (int i = 0; i < cells; ++i) {
    text += "  {\n   \"cell_type\": \"code\",\n   \"execution_count\": null,\n   \"id\": \"c" + std::to_string(i) +
            "\",\n   \"metadata\": {},\n   \"outputs\": " + outputs + ",\n   \"source\": [\n    \"" + source +
            "\"\n   ]\n  }" + (i + 1 < cells ? ",\n" : "\n");
  }
  return text +
         " ],\n \"metadata\": {\n  \"kernelspec\": {\n   \"display_name\": \"Python 3\",\n   \"language\": "
         "\"python\",\n   \"name\": \"python3\"\n  }\n },\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n";
}

std::string command(const std::string& id, const std::string& name, const std::string& body, std::uint64_t epoch) {
  return "{\"id\":\"" + id + "\",\"command\":\"" + name + "\"" +
         (epoch == 0 ? "" : ",\"epoch\":" + std::to_string(epoch)) + ",\"body\":" + body + "}";
}

void execute(const Options& options, Report& report) {
  KernelFloor floor(options.python);
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  host.write("n.ipynb", notebook("1+1"));
  const auto session = host.open("n.ipynb");
  Socket client(host, session);
  const auto once = [&](int i) {
    const auto from = now_us();
    client.send_text(command("x" + std::to_string(i), "execute", R"({"cell_ids":["c0"]})", client.epoch()));
    client.until("\"status\":\"idle\"");
    return now_us() - from;
  };
  for (int i = 0; i < 20; ++i) {
    once(i);
    floor.execute("1+1");
  }
  Samples ours, theirs;
  for (int i = 0; i < 300; ++i) {
    ours.add(once(100 + i));
    theirs.add(floor.execute("1+1"));
  }
  report.add("floor: execute 1+1 to idle over raw ZeroMQ, the same turns", theirs);
  report.add("execute: 1+1 to idle over the host", ours);
  report.add("execute: host above floor at the median", "ms", ours.quantile(0.5) - theirs.quantile(0.5),
             {{"value", 0.5}});
}

void large(const Options& options, Report& report) {
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  const std::string image(40'000, 'A');
  const std::string outputs =
      "[\n    {\n     \"data\": {\n      \"image/png\": \"" + image +
      "\"\n     },\n     \"metadata\": {},\n     \"output_type\": \"display_data\"\n    }\n   ]";
  const auto text = notebook("plot()", 600, outputs);
  report.add("large: the notebook", "MB", static_cast<double>(text.size()) / 1e6);
  Samples opens, first, cells, saves;
  for (int i = 0; i < 8; ++i) {
    const auto name = "large" + std::to_string(i) + ".ipynb";
    host.write(name, text);
    const auto from = now_us();
    const auto session = host.open(name);
    opens.add(now_us() - from);
    Socket client(host, session);
    first.add(client.ready_us() - from);
    cells.add(now_us() - from);
    client.send_text(command("e", "transaction", R"({"changes":[{"type":"set_source","cell_id":"c0","source":"x"}]})",
                             client.epoch()));
    client.until("\"e\"");
    const auto save_from = now_us();
    client.send_text(command("s", "save", "{}", client.epoch()));
    client.until("\"id\":\"s\"");
    saves.add(now_us() - save_from);
    host.request("DELETE", "/api/v1/sessions/" + session);
  }
  report.add("large: open answered", opens);
  report.add("large: open to the frame with the cells", first, {{"p50", 60}});
  report.add("large: open to all cells and outputs received", cells);
  report.add("large: save, fsynced", saves);
  report.add("large: resident after 8 opens", "MB", host.resident_mb());
}

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

}  // namespace load
