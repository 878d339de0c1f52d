// The lock on a notebook's file itself (flock). The leases of notebook_store.hpp lie in a folder that only one person's
// hosts share; this one is seen by hosts of other people, and by one that was started without that folder, from cron
// say. It says that somebody has the file, not who. Some file systems go without: those that have no such locks, NFS,
// which wants the file open for writing, which in turn tells every watcher that it was written, and SMB, where a lock
// keeps everybody from reading, too (cifs.ko: mandatory byte-range locks).
#pragma once

#include <string>

#include "base/result.hpp"
#include "document/system_file.hpp"

namespace lectern::document {

/// [worker] Locks `file`, at `path`, until the result and its copies are closed; the kernel does when the process dies.
/// Empty where that cannot be done. 423 `open_elsewhere`, details {"holder":null}: somebody has it.
Result<Descriptor> lock_file(Descriptor file, const std::string& path);

/// [worker] The same for what is at `path` now. Empty also when that is another file than `device` and `inode` say, or
/// one this process may only read: who cannot write keeps nobody from writing.
Result<Descriptor> lock_file_at(const std::string& path, std::uint64_t device, std::uint64_t inode);

}  // namespace lectern::document
