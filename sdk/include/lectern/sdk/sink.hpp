// Where a plugin writes bytes to. It may be called any number of times; the host puts the pieces together.
#pragma once

#include <string_view>

#include "lectern/abi/base.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {

class Sink {
 public:
  explicit Sink(const lectern_sink& sink) : sink_(sink) {}
  /// Ends the call of the plugin when the host wants no more (do not catch it).
  void write(std::string_view bytes) const { detail::check(sink_.write(sink_.ctx, str(bytes))); }

 private:
  const lectern_sink& sink_;
};

}  // namespace lectern::sdk
