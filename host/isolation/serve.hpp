// The child's side: loads one plugin as a host would, and makes the calls it is told to make.
#pragma once

namespace lectern::isolation {

/// Serves the host on socket `fd` until it closes it. The exit code.
int serve(int fd);

}  // namespace lectern::isolation
