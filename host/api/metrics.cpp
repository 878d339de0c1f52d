#include "api/metrics.hpp"

#include <unistd.h>

#include <fstream>

#include "base/clock.hpp"

namespace lectern::api {
namespace {

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ");
  out.append(type).append("\n");
}

void single(std::string& out, std::string_view name, std::string_view type, std::string_view help, double value) {
  head(out, name, type, help);
  auto text = std::to_string(value);
  if (const auto dot = text.find('.'); text.find_first_not_of('0', dot + 1) == std::string::npos) text.resize(dot);
  out.append(name).append(" ").append(text).append("\n");
}

}  // namespace

Metrics::Metrics() : started_ms_(clock::now_ms()) {}

void Metrics::count_response(int status) {
  if (status >= 100 && status < 600) responses_[static_cast<std::size_t>(status / 100)].fetch_add(1);
}

void Metrics::count_refusal(int status) {
  count_response(status);
  if (status >= 100 && status < 600) refusals_[static_cast<std::size_t>(status)].fetch_add(1);
}

std::string Metrics::text(const std::vector<Figure>& figures) const {
  std::string out;
  for (const auto& figure : figures) {
    const bool counter = figure.name.size() > 6 && figure.name.compare(figure.name.size() - 6, 6, "_total") == 0;
    single(out, "lectern_" + figure.name, counter ? "counter" : "gauge", figure.help, figure.value);
  }
  head(out, "lectern_http_responses_total", "counter", "HTTP answers by hundreds of their status.");
  for (std::size_t hundreds = 1; hundreds < responses_.size(); ++hundreds) {
    out += "lectern_http_responses_total{class=\"" + std::to_string(hundreds) + "xx\"} " +
           std::to_string(responses_[hundreds].load()) + "\n";
  }
  head(out, "lectern_http_refusals_total", "counter", "Requests refused before their handler, by status.");
  for (std::size_t status = 0; status < refusals_.size(); ++status) {
    if (const auto count = refusals_[status].load()) {
      out += "lectern_http_refusals_total{status=\"" + std::to_string(status) + "\"} " + std::to_string(count) + "\n";
    }
  }
  single(out, "lectern_uptime_seconds", "gauge", "Time since the start.",
         static_cast<double>(clock::now_ms() - started_ms_) / 1000.0);
  single(out, "lectern_resident_bytes", "gauge", "Memory of the host in RAM.", static_cast<double>(resident_bytes()));
  return out;
}

}  // namespace lectern::api
