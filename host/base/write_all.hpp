// Writing a whole buffer, which one call to the system may do in part.
#pragma once

#include <string_view>

namespace lectern {

/// [worker] Writes all of `bytes` to the open file `fd`, which stays the caller's. 0, or the errno of what failed; some
/// of them may be written then.
int write_all(int fd, std::string_view bytes);

}  // namespace lectern
