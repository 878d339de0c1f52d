#include "isolation/sandbox.hpp"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>

namespace lectern::isolation {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;  // its shadow memory alone is terabytes of address space
#else
constexpr bool sanitized = false;
#endif

tl::unexpected<Error> no_sandbox(const std::string& what, int error) {
  return fail(500, "no_sandbox", "the plugin's process could not " + what + ": " + std::strerror(error),
              "The kernel must offer seccomp; or trust the plugin with `lectern plugins trust`.");
}

constexpr rlim_t most_file_bytes = 16u << 20;  // of one file of a presence backend

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

/// Collects rules; the first that fails is kept.
class Rules {
 public:
  Rules() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (!filter_) failed_ = ENOMEM;
  }
  Rules& allow(std::initializer_list<int> calls) {
    for (const int call : calls) note(seccomp_rule_add_array(filter_.get(), SCMP_ACT_ALLOW, call, 0, nullptr));
    return *this;
  }
  Rules& allow_if(int call, scmp_arg_cmp compare) {
    note(seccomp_rule_add_array(filter_.get(), SCMP_ACT_ALLOW, call, 1, &compare));
    return *this;
  }
  /// Not a mistake that a plugin could live with: the process ends, and the host says why.
  Rules& kill(std::initializer_list<int> calls) {
    for (const int call : calls) note(seccomp_rule_add_array(filter_.get(), SCMP_ACT_KILL_PROCESS, call, 0, nullptr));
    return *this;
  }
  Rules& kill_if(int call, scmp_arg_cmp compare) {
    note(seccomp_rule_add_array(filter_.get(), SCMP_ACT_KILL_PROCESS, call, 1, &compare));
    return *this;
  }
  Rules& unknown(int call) {
    note(seccomp_rule_add_array(filter_.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0, nullptr));
    return *this;
  }
  /// For every thread of the process: one that the library's constructor has started too. A sanitizer's own keeps its
  /// ways.
  Status load() {
    if (!sanitized) note(seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_TSYNC, 1));
    if (failed_ == 0) note(seccomp_load(filter_.get()));
    if (failed_ != 0) return no_sandbox("give up what it does not need", failed_);
    return {};
  }

 private:
  void note(int result) {
    if (result < 0 && failed_ == 0) failed_ = -result;
  }
  Filter filter_;
  int failed_ = 0;
};

/// What computing takes: memory, threads, clocks, the one socket.
void computing(Rules& rules) {
  rules.allow({SCMP_SYS(read),
               SCMP_SYS(write),
               SCMP_SYS(readv),
               SCMP_SYS(writev),
               SCMP_SYS(poll),
               SCMP_SYS(ppoll),
               SCMP_SYS(close),
               SCMP_SYS(fstat),
               SCMP_SYS(lseek),
               SCMP_SYS(munmap),
               SCMP_SYS(mremap),
               SCMP_SYS(brk),
               SCMP_SYS(madvise),
               SCMP_SYS(rt_sigaction),
               SCMP_SYS(rt_sigprocmask),
               SCMP_SYS(rt_sigreturn),
               SCMP_SYS(sigaltstack),
               SCMP_SYS(futex),
               SCMP_SYS(sched_yield),
               SCMP_SYS(sched_getaffinity),
               SCMP_SYS(clock_gettime),
               SCMP_SYS(clock_getres),
               SCMP_SYS(clock_nanosleep),
               SCMP_SYS(nanosleep),
               SCMP_SYS(gettimeofday),
               SCMP_SYS(time),
               SCMP_SYS(getrandom),
               SCMP_SYS(getpid),
               SCMP_SYS(gettid),
               SCMP_SYS(getuid),
               SCMP_SYS(geteuid),
               SCMP_SYS(exit),
               SCMP_SYS(exit_group),

               SCMP_SYS(restart_syscall),
               SCMP_SYS(rseq),
               SCMP_SYS(set_robust_list),
               SCMP_SYS(membarrier),
               SCMP_SYS(getrlimit),
               SCMP_SYS(getrusage),
               SCMP_SYS(uname),
               SCMP_SYS(sysinfo),
               SCMP_SYS(setitimer)});
  // abort() signals its own thread; nobody else's, and never the host's.
  rules.allow_if(SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid())));
  rules.allow_if(SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0));  // to look, not to set
  // clone3 hides its flags in memory; glibc takes clone when there is none.
  rules.unknown(SCMP_SYS(clone3));
  rules.allow_if(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  rules.kill_if(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  rules.kill({SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(socket),
              SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(ptrace),
              SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kill)});
}

/// What keeping files takes; Landlock says where. No links, no permissions, no other user's eyes.
void keeping_files(Rules& rules) {
  rules.allow({SCMP_SYS(getdents64), SCMP_SYS(newfstatat), SCMP_SYS(statx),     SCMP_SYS(fsync),  SCMP_SYS(fdatasync),
               SCMP_SYS(ftruncate),  SCMP_SYS(pread64),    SCMP_SYS(pwrite64),  SCMP_SYS(mkdir),  SCMP_SYS(mkdirat),
               SCMP_SYS(rmdir),      SCMP_SYS(unlink),     SCMP_SYS(unlinkat),  SCMP_SYS(rename), SCMP_SYS(renameat),
               SCMP_SYS(renameat2),  SCMP_SYS(stat),       SCMP_SYS(lstat),     SCMP_SYS(access), SCMP_SYS(faccessat),
               SCMP_SYS(faccessat2), SCMP_SYS(flock),      SCMP_SYS(fallocate), SCMP_SYS(umask),  SCMP_SYS(getcwd),
               SCMP_SYS(readlink),   SCMP_SYS(readlinkat), SCMP_SYS(fstatfs)});
  // Not with O_TRUNC for reading: Landlock before its third version lets that empty whatever may be read.
  rules.allow_if(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_TRUNC, 0));
  for (const scmp_datum_t mode : {O_WRONLY, O_RDWR})
    rules.allow_if(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, mode));
  // Nothing that has the kernel signal somebody (F_SETOWN, F_SETSIG, O_ASYNC by F_SETFL, F_NOTIFY, F_SETLEASE): it
  // would signal the host.
  for (const scmp_datum_t command : {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_GETLK, F_SETLK, F_SETLKW,
                                     F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW})
    rules.allow_if(SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, command));
}

}  // namespace

Status limit(const Limits& limits, bool files) {
  const auto set = [](auto what, rlim_t value) {
    const rlimit both{value, value};
    return ::setrlimit(what, &both) == 0;
  };
  if (!set(RLIMIT_CORE, 0) || !set(RLIMIT_NOFILE, limits.open_files) || !set(RLIMIT_CPU, limits.cpu_seconds) ||
      !set(RLIMIT_FSIZE, files ? most_file_bytes : 0) || (!sanitized && !set(RLIMIT_AS, limits.memory_bytes))) {
    return no_sandbox("limit itself", errno);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return no_sandbox("give up new privileges", errno);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return no_sandbox("close itself to debuggers", errno);
  return {};
}

Status limit_programs() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return no_sandbox("limit itself", errno);
  rlimit files{};
  constexpr rlim_t most_open = 4096;
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max > most_open) {
    files = {std::min(files.rlim_cur, most_open), most_open};
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0) return no_sandbox("limit itself", errno);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return no_sandbox("give up new privileges", errno);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return no_sandbox("close itself to debuggers", errno);
  return {};
}

Status allow_loading(bool files) {
  Rules rules;
  computing(rules);
  rules.allow({SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(pread64), SCMP_SYS(newfstatat), SCMP_SYS(statx),
               SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
               SCMP_SYS(getcwd), SCMP_SYS(seccomp), SCMP_SYS(prctl)});
  // A sanitizer asks a pipe whether an address can be read; without one it takes every object for a broken one.
  if (sanitized) rules.allow({SCMP_SYS(pipe), SCMP_SYS(pipe2)});
  if (files) {
    keeping_files(rules);
  } else {
    rules.allow_if(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
  }
  return rules.load();
}

Status allow_computing(bool files) {
  if (sanitized) return {};  // its reports read files of their own
  Rules rules;
  computing(rules);
  if (files) keeping_files(rules);
  rules.allow_if(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  rules.allow_if(SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  return rules.load();
}

}  // namespace lectern::isolation
