#include "runtime/kept_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/write_all.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;

int write_whole(const fs::path& path, std::string_view text) {
  auto fresh = path;
  fresh += ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  const int problem = write_all(fd, text);
  ::close(fd);
  if (problem != 0) {
    ::unlink(fresh.c_str());  // a part of it would fill a full disk further
    return problem;
  }
  if (::rename(fresh.c_str(), path.c_str()) == 0) return 0;
  const int not_renamed = errno;
  ::unlink(fresh.c_str());
  return not_renamed;
}

std::string read_small(const fs::path& path, std::uintmax_t largest) {
  std::error_code problem;
  const auto size = fs::file_size(path, problem);
  if (problem || size > largest) return {};
  std::ifstream file(path);
  return {(std::istreambuf_iterator<char>(file)), {}};
}

}  // namespace lectern::runtime
