// Where a plugin writes bytes to. It may be called any number of times; the host puts the pieces together.
#pragma once

#include <string_view>

#include "lectern/abi/base.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {

/// Valid during the call that got it; what is written later is refused and reported.
class Sink {
 public:
  explicit Sink(const lectern_sink& sink) : sink_(sink) {}
  /// Ends the call of the plugin when the host wants no more (do not catch it).
  void write(std::string_view bytes) const { detail::check(sink_.write(sink_.ctx, str(bytes))); }

 private:
  lectern_sink sink_;  // a copy: one that is used after its call reaches the host's check and not a dead stack
};

}  // namespace lectern::sdk
