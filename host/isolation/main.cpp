// lectern-plugin-host: the process an isolated plugin lives in. Started by lectern, never by hand.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "isolation/serve.hpp"

int main() {
  constexpr int socket = 3;
  struct stat facts {};
  if (::fstat(socket, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
    std::fputs("lectern-plugin-host is started by lectern; see `lectern plugins --help`\n", stderr);
    return 2;
  }
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);  // not for the programs a runtime starts
  ::syscall(SYS_close_range, socket + 1, ~0u, 0);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file size limit of 0 makes writing fail; it must not be deadly
  return lectern::isolation::serve(socket);
}
