// An error as one line for people, where there is room for no more: the log, the state of a kernel.
#pragma once

#include <string>

#include "base/result.hpp"

namespace lectern {

/// [any] What is wrong, and what to do.
inline std::string in_full(const Error& error) {
  return error.message + (error.hint.empty() ? "" : "; " + error.hint);
}

}  // namespace lectern
