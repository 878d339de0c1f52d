// Samples of one figure, and how they are shown: microseconds in, milliseconds out.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace load {

inline std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Samples {
 public:
  void add(std::int64_t microseconds) { values_.push_back(microseconds); }
  [[nodiscard]] std::size_t count() const { return values_.size(); }
  /// `q` from 0 to 1; 0 without samples. Milliseconds.
  [[nodiscard]] double quantile(double q) const {
    if (values_.empty()) return 0;
    auto sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    const auto at = static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5);
    return static_cast<double>(sorted[at]) / 1000.0;
  }

 private:
  std::vector<std::int64_t> values_;
};

/// What a figure of a row should be below.
struct Aim {
  std::string figure;
  double below = 0;
};

/// One line of the report.
struct Row {
  std::string name;
  std::string unit;
  std::vector<std::pair<std::string, double>> figures;
  std::vector<Aim> aims = {};
};

class Report {
 public:
  void add(const std::string& name, const Samples& samples, std::vector<Aim> aims = {}) {
    add({name,
         "ms",
         {{"n", static_cast<double>(samples.count())},
          {"p50", samples.quantile(0.5)},
          {"p99", samples.quantile(0.99)},
          {"max", samples.quantile(1)}},
         std::move(aims)});
  }
  void add(const std::string& name, const std::string& unit, double value, std::vector<Aim> aims = {}) {
    add({name, unit, {{"value", value}}, std::move(aims)});
  }
  /// Prints the row at once: a run that is cut short has shown what it found.
  void add(Row row);
  [[nodiscard]] std::string json() const;

 private:
  std::vector<Row> rows_;
};

}  // namespace load
