// A transport and frames to try it with; shared by the tests and by --fuzz.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "host_plugin.hpp"
#include "plugin/transport.hpp"

namespace lectern::validate {

struct Frame {
  bool binary = false;
  std::string bytes;
};

/// [any] Frames of lectern.v1, and some of nobody's.
const std::vector<Frame>& sample_frames();
/// [any] The start of a frame, for messages.
std::string shown(const Frame& frame);

struct TransportBench {
  TransportBench(const Context& context, Report& report);

  /// [reactor] Opens a connection, feeds it, closes it. What came of it, as text; breaches are in the report.
  std::string receive_fresh(std::uint32_t binding, const std::vector<Frame>& frames, Report& report);
  /// One connection with a few damaged frames.
  void damaged_round(std::mt19937_64& random, Report& report);
  [[nodiscard]] std::uint64_t failures() const { return plugin.generation->report().failures; }
  [[nodiscard]] std::string last_failure() const { return plugin.generation->report().last_failure; }

  HostPlugin plugin;
  plugin::TransportPtr transport;
};

}  // namespace lectern::validate
