// What ends the programs a runtime starts, whatever becomes of the runtime.
#pragma once

namespace lectern::isolation {

/// Before anything of the plugin is loaded, in a process with one thread: goes on in a child process, which is the one
/// that returns. This one stays behind as its keeper: when the child dies, or the host closes `socket` and the child
/// does not go, or this is asked to end by SIGTERM, it ends every process that came from there and then itself, the
/// way the child did. False: no process could be made.
bool keep(int socket);

}  // namespace lectern::isolation
