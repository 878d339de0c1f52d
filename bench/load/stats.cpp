#include "load/stats.hpp"

#include <cstdio>

#include "base/json.hpp"

namespace load {

void Report::add(Row row) {
  std::printf("%-62s", row.name.c_str());
  for (const auto& [name, value] : row.figures) std::printf("  %s %.3f", name.c_str(), value);
  std::printf(" %s\n", row.unit.c_str());
  std::fflush(stdout);
  rows_.push_back(std::move(row));
}

std::string Report::json() const {
  std::string out;
  lectern::json::Writer w(out);
  w.begin_array();
  for (const auto& row : rows_) {
    w.begin_object().member("name", row.name).member("unit", row.unit);
    for (const auto& [name, value] : row.figures) {
      char text[32];
      std::snprintf(text, sizeof text, "%.4f", value);
      w.member_raw(name, text);
    }
    w.end_object();
  }
  w.end_array();
  return out;
}

}  // namespace load
