#include "load/usage.hpp"

#include <time.h>

#include <cstdlib>
#include <fstream>

#include "load/host.hpp"

namespace load {
namespace {

double status_mb(int pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::atof(line.c_str() + key.size() + 1) / 1024.0;
  }
  return 0;
}

}  // namespace

double cpu_ms(int pid) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0)
    give_up("no CPU time of process " + std::to_string(pid));
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

double resident_mb(int pid) {
  return status_mb(pid, "VmRSS");
}

double anonymous_mb(int pid) {
  return status_mb(pid, "RssAnon");
}

double peak_mb(int pid) {
  return status_mb(pid, "VmHWM");
}

void forget_peak(int pid) {
  std::ofstream("/proc/" + std::to_string(pid) + "/clear_refs") << "5";
}

}  // namespace load
