// The face of the preloaded library: functions of the C library that change files, caught, counted and failed as a plan
// says (plan.hpp), on a disk that forgets what was never synced (disk_model.hpp).
//
// Loaded by LD_PRELOAD it does nothing until it is armed: by lectern_disk_arm(), or at the start of the program
// LECTERN_DISK_PROGRAM (a file name) by LECTERN_DISK_ROOT, LECTERN_DISK_ATTIC and LECTERN_DISK_PLAN. With
// LECTERN_DISK_CONTROL=<file> the disk is what the file says for as long as it says so: "ENOSPC" (nothing can grow),
// "EIO" (no write or sync succeeds), "EROFS" (nothing can change), "kill <n>" (the power goes n > 0 calls later),
// anything else: well.
#pragma once

#include <cstdint>

extern "C" {
/// From now on calls about files in `root` (canonical) count. `attic`: DiskModel. Once per process.
void lectern_disk_arm(const char* root, const char* attic, const char* plan);
/// The calls that counted so far.
std::uint64_t lectern_disk_calls();
/// Of these, those that failed, or wrote less than they should.
std::uint64_t lectern_disk_failures();
/// The power goes now.
[[noreturn]] void lectern_disk_power_cut();
}
