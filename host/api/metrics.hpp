// Figures of the host in Prometheus' text format.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lectern::api {

class Metrics {
 public:
  Metrics();
  /// [any] One HTTP answer.
  void count_response(int status);
  /// [any] One request refused before its handler: a wrong token, a strange Host, another site.
  void count_refusal(int status);

  /// What the sessions have to say, summed over all of them: counters by name, and gauges.
  struct Sessions {
    std::uint64_t sessions = 0, consumers = 0;
    std::map<std::string, double> counters;
  };
  /// [any] The whole text.
  [[nodiscard]] std::string text(const Sessions& sessions) const;

 private:
  std::array<std::atomic<std::uint64_t>, 6> responses_{};  // by hundreds
  std::array<std::atomic<std::uint64_t>, 600> refusals_{};
  std::int64_t started_ms_;
};

}  // namespace lectern::api
