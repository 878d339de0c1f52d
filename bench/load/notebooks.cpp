// Notebooks: what opening and saving a large one costs, here and in Python.
#include <poll.h>

#include <utility>

#include "load/host.hpp"
#include "load/http.hpp"
#include "load/peer.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/usage.hpp"

namespace load {

std::string notebook(const std::string& source, int cells, const std::string& outputs, const std::string& kernel) {
  std::string text = "{\n \"cells\": [\n";
  for (int i = 0; i < cells; ++i) {
    text += "  {\n   \"cell_type\": \"code\",\n   \"execution_count\": null,\n   \"id\": \"c";
    text.append(std::to_string(i)).append("\",\n   \"metadata\": {},\n   \"outputs\": ").append(outputs);
    text.append(",\n   \"source\": [\n    \"").append(source).append("\"\n   ]\n  }");
    text += i + 1 < cells ? ",\n" : "\n";
  }
  return text + " ],\n \"metadata\": {\n  \"kernelspec\": {\n   \"display_name\": \"" + kernel +
         "\",\n   \"language\": \"" + (kernel == "python3" ? "python" : "none") + "\",\n   \"name\": \"" + kernel +
         "\"\n  }\n },\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n";
}

std::string command(const std::string& id, const std::string& name, const std::string& body, std::uint64_t epoch) {
  return "{\"id\":\"" + id + "\",\"command\":\"" + name + "\"" +
         (epoch == 0 ? "" : ",\"epoch\":" + std::to_string(epoch)) + ",\"body\":" + body + "}";
}

namespace {

void edit_and_save(const Host& host, Socket& client, const std::string& text, Samples& saves, Samples& cpu) {
  const auto edit = "edit" + text, save = "save" + text;
  client.send_text(command(edit, "transaction",
                           R"({"changes":[{"type":"set_source","cell_id":"c0","source":"x)" + text + R"("}]})",
                           client.epoch()));
  client.until("\"" + edit + "\"");
  ::poll(nullptr, 0, 300);  // what was begun before has ended
  const auto cpu_from = cpu_ms(host.pid());
  const auto save_from = now_us();
  client.send_text(command(save, "save", "{}", client.epoch()));
  client.until("\"id\":\"" + save + "\"");
  saves.add(now_us() - save_from);
  ::poll(nullptr, 0, 50);  // and what saving did after its answer
  cpu.add(static_cast<std::int64_t>((cpu_ms(host.pid()) - cpu_from) * 1000));
}

}  // namespace

void large(const Options& options, Report& report) {
  Host host(options.binary, {"--autosave-at-most-ms", "0"});
  const std::string image(40'000, 'A');
  const std::string outputs =
      "[\n    {\n     \"data\": {\n      \"image/png\": \"" + image +
      "\"\n     },\n     \"metadata\": {},\n     \"output_type\": \"display_data\"\n    }\n   ]";
  const auto text = notebook("plot()", 600, outputs);
  report.add("large: the notebook", "MB", static_cast<double>(text.size()) / 1e6);
  const auto name_of = [](int number) { return "large" + std::to_string(number) + ".ipynb"; };
  for (int i = 0; i < 8; ++i) host.write(name_of(i), text);
  host.rest();  // who opens a notebook finds one that was written long ago; one of this moment is read twice
  Samples opens, first, cells, saves, save_cpu, later_saves, later_cpu;
  std::string session;
  for (int i = 0; i < 8; ++i) {
    if (!session.empty()) host.request("DELETE", "/api/v1/sessions/" + session);
    const auto from = now_us();
    session = host.open(name_of(i));
    opens.add(now_us() - from);
    Socket client(host, session);
    first.add(client.ready_us() - from);
    cells.add(now_us() - from);
    edit_and_save(host, client, "1", saves, save_cpu);
    edit_and_save(host, client, "2", later_saves, later_cpu);
  }
  report.add("large: open answered", opens);
  report.add("large: open to the frame with the cells", first, {{"p50", 20}});
  report.add("large: open to all cells and outputs received", cells);
  report.add("large: save, fsynced", saves);
  report.add("large: CPU of the save", save_cpu, {{"p50", 30}});
  report.add("large: a later save, fsynced", later_saves);
  report.add("large: CPU of the later save", later_cpu);
  report.add("large: resident after 8 opens", "MB", host.resident_mb());
  look_at_history(host, session, "the 24 MB notebook", report);
  const auto peer =
      parse_json(run_script(options.peers + "/python.sh", {"nbformat_times.py", host.folder() + "/root/large0.ipynb"}),
                 "nbformat");
  for (const auto& [key, name] : {std::pair("read_ms", "peer: nbformat reads and validates the same file"),
                                  std::pair("write_ms", "peer: nbformat validates and writes it, not synced"),
                                  std::pair("write_cpu_ms", "peer: CPU of that write")}) {
    report.add(name, "ms", peer.find(key)->as_double().value_or(0));
  }
}

}  // namespace load
