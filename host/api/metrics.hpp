// Figures of the host in Prometheus' text format.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lectern::api {

class Metrics {
 public:
  Metrics();
  /// [any] One HTTP answer.
  void count_response(int status);
  /// [any] One request refused before its handler: a wrong token, a strange Host, another site.
  void count_refusal(int status);

  /// One figure without labels; a name that ends in "_total" is a counter, others are gauges.
  struct Figure {
    std::string name;  // without the "lectern_"
    std::string help;
    double value = 0;
  };
  /// [any] The whole text: `figures`, then what is counted here.
  [[nodiscard]] std::string text(const std::vector<Figure>& figures) const;

 private:
  std::array<std::atomic<std::uint64_t>, 6> responses_{};  // by hundreds
  std::array<std::atomic<std::uint64_t>, 600> refusals_{};
  std::int64_t started_ms_;
};

}  // namespace lectern::api
