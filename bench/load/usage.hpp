// What a process costs: its CPU time and its memory, as the system counts them.
#pragma once

#include <string>

namespace load {

/// Of all its threads, those that ended included. Milliseconds, to the microsecond.
double cpu_ms(int pid);
double resident_mb(int pid);
double anonymous_mb(int pid);  // of that, what is no file's
/// The most it had since it began, or since forget_peak().
double peak_mb(int pid);
void forget_peak(int pid);

}  // namespace load
