// What a try at a socket came to.
#pragma once

#include <sys/uio.h>

#include <cstddef>

namespace lectern::net {

enum class Want { nothing, read, write };

struct Io {
  std::size_t bytes = 0;
  Want want = Want::nothing;  // with bytes 0: try again when the socket is ready for this
  bool end = false;           // the peer sent FIN (or close_notify)
  bool failed = false;        // reset, timed out, TLS broken
};

}  // namespace lectern::net
