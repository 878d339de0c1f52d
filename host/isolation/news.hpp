// What a plugin's process has to tell besides answers: the figures it counts, breaches it saw, lines it dropped. The
// child tells all of it when something changed; the host makes steps of it, so that a new process begins at zero and a
// counter never falls.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace lectern::isolation {

struct News {
  struct Metric {
    std::uint64_t number = 0;  // the plugin's own
    bool counter = true;
    std::string name, help;
    double value = 0;  // of a step: what to add to a counter, what a gauge is
  };
  struct Breach {
    bool of_host = false;
    std::string tag, where, what;
    std::uint64_t count = 0;
  };
  std::vector<Metric> metrics;
  std::vector<Breach> breaches;
  std::uint64_t dropped_lines = 0;

  /// [any] At most 64 of each cross.
  [[nodiscard]] std::string write() const;
  /// [any] What makes no sense is left out: the teller is not believed.
  static News read(std::string_view from);
};

/// Takes steps; [worker].
using NewsSink = std::function<void(const News&)>;

/// Not thread-safe: its owner's.
class NewsSteps {
 public:
  /// What is new in `told` since the last time.
  News step(News told);
  /// Another process: it has told nothing.
  void begin_anew();

 private:
  std::map<std::uint64_t, double> counters_;
  std::map<std::tuple<bool, std::string, std::string, std::string>, std::uint64_t> breaches_;
  std::uint64_t dropped_lines_ = 0;
};

}  // namespace lectern::isolation
