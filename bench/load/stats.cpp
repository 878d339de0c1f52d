#include "load/stats.hpp"

#include <algorithm>
#include <cstdio>

#include "base/json.hpp"

namespace load {

namespace {

bool met(const Row& row, const Aim& aim) {
  return std::any_of(row.figures.begin(), row.figures.end(),
                     [&](const auto& figure) { return figure.first == aim.figure && figure.second < aim.below; });
}

}  // namespace

void Report::add(Row row) {
  std::printf("%-62s", row.name.c_str());
  for (const auto& [name, value] : row.figures) std::printf("  %s %.3f", name.c_str(), value);
  std::printf(" %s", row.unit.c_str());
  for (const auto& aim : row.aims)
    std::printf("  [aim: %s < %g, %s]", aim.figure.c_str(), aim.below, met(row, aim) ? "met" : "MISSED");
  std::printf("\n");
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
    if (!row.aims.empty()) {
      w.key("aims").begin_array();
      for (const auto& aim : row.aims) {
        char text[32];
        std::snprintf(text, sizeof text, "%g", aim.below);
        w.begin_object().member("figure", aim.figure).member_raw("below", text).member("met", met(row, aim));
        w.end_object();
      }
      w.end_array();
    }
    w.end_object();
  }
  w.end_array();
  return out;
}

}  // namespace load
