// Who waits for a line: a process of the shell that is inside read() on the cells' standard input. The system tells
// what a process waits in only through /proc; where it does not, cells get no input instead of hanging on it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

namespace shell {

/// [any] Whether this system tells us what this process, a child of ours, waits in. It may tell of a child and not of
/// ourselves: a process that must not be looked into is closed to itself too.
bool can_see(pid_t process);
/// [any] True when `root` or something it started reads from the pipe `pipe` describes.
bool somebody_reads(pid_t root, const struct stat& pipe);

}  // namespace shell
