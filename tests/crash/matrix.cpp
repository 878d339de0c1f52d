// The crash matrix: many short lives of a little host, each killed, failed or robbed of its disk at another call, and
// what is left checked by a fresh start. `crash_matrix --runs N --seed S`; every failing run prints the words with
// which `crash_matrix --only "..."` repeats it.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <sstream>

#include "../support/notebook_formats.hpp"
#include "base/log.hpp"
#include "little_host.hpp"
#include "plan.hpp"

namespace lectern::crash {
namespace {

namespace fs = std::filesystem;

struct Disk {
  void (*arm)(const char*, const char*, const char*) = nullptr;
  std::uint64_t (*calls)() = nullptr;
  void (*power_cut)() = nullptr;
};

Disk find_disk() {
  Disk disk;
  disk.arm = reinterpret_cast<decltype(disk.arm)>(::dlsym(RTLD_DEFAULT, "lectern_disk_arm"));
  disk.calls = reinterpret_cast<decltype(disk.calls)>(::dlsym(RTLD_DEFAULT, "lectern_disk_calls"));
  disk.power_cut = reinterpret_cast<decltype(disk.power_cut)>(::dlsym(RTLD_DEFAULT, "lectern_disk_power_cut"));
  return disk;
}

struct Child {
  std::string said;
  bool well = false;  // it ended as it should: by the power cut, or by itself when it was to
};

// `work` in a process of its own. A minute is more than any life takes on the slowest machine.
template <class Work>
Child in_child(Work work) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::close(ends[0]);
    log::set_level(log::Level::error);
    if (std::getenv("LECTERN_CRASH_LOG") == nullptr) {
      [[maybe_unused]] FILE* ignored = std::freopen("/dev/null", "w", stderr);
    }
    work(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  Child result;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    result.said.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.well = (WIFEXITED(status) && WEXITSTATUS(status) == 0) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return result;
}

/// The plans of a run: one for each life, and all of them have to be survived.
using Run = std::vector<std::string>;

class Matrix {
 public:
  Matrix(Disk disk, std::string sync, bool any_content, std::uint64_t seed)
      : disk_(disk), sync_(std::move(sync)), any_content_(any_content), seed_(seed) {
    (void)test::ipynb();  // loaded once, before the forks
  }

  /// Calls of an undisturbed life.
  std::uint64_t measure() {
    const Place place = make_place();
    const auto child = in_child([&](int tell) {
      disk_.arm(place.base.c_str(), attic(place).c_str(), "");
      live(place, 0, tell);
      const std::string line = "calls " + std::to_string(disk_.calls()) + "\n";
      [[maybe_unused]] const auto n = ::write(tell, line.data(), line.size());
    });
    remove(place);
    const auto at = child.said.find("calls ");
    return at == std::string::npos ? 0 : std::strtoull(child.said.c_str() + at + 6, nullptr, 10);
  }

  /// Run `index` of a matrix over `calls` calls: first every call once with each of three ends, then at random.
  Run plan(std::uint64_t index, std::uint64_t runs, std::uint64_t calls) const {
    std::mt19937_64 random(seed_ * 1'000'003 + index);
    const auto at = [&] { return 1 + random() % calls; };
    // A third each: killed, failed, and both; evenly over all calls.
    const std::uint64_t kind = index % 3;
    const std::uint64_t even = 1 + (index / 3) * calls / std::max<std::uint64_t>(1, (runs + 2) / 3) % calls;
    static constexpr const char* deaths[] = {"before", "after", "mid"};
    static constexpr const char* losses[] = {"all", "some", "all", "some", "none"};
    static constexpr const char* failures[] = {"ENOSPC", "EIO", "short", "EIO", "EROFS", "ENOSPC"};
    static constexpr std::uint64_t lengths[] = {1, 1, 1, 2, 5, 20, 1000};
    std::string text;
    if (kind != 1)
      text += std::string("die=") + deaths[random() % 3] + " dieat=" + std::to_string(kind == 0 ? even : at());
    if (kind != 0) {
      const std::uint64_t from = kind == 1 ? even : at();
      text += std::string(text.empty() ? "" : " ") + "fail=" + failures[random() % 6] +
              " failat=" + std::to_string(from) + " failfor=" + std::to_string(lengths[random() % 7]);
    }
    const auto end = [&] {
      return std::string(" loss=") + losses[random() % 5] + " seed=" + std::to_string(random() % 100'000);
    };
    // The log of a life is synced as soon as it is written, or when the life ends.
    Run run{text + (random() % 4 == 0 ? " log=late" : "") + end()};
    // Every fourth dies or fails again while it recovers.
    const auto again = std::to_string(1 + random() % 60);
    if (const auto how = random() % 8; how == 0) {
      run.push_back("die=" + std::string(deaths[random() % 3]) + " dieat=" + again + end());
    } else if (how == 1) {
      run.push_back("fail=" + std::string(failures[random() % 6]) + " failat=" + again +
                    " failfor=" + std::to_string(lengths[random() % 7]) + end());
    }
    return run;
  }

  std::vector<std::string> execute(const Run& run) {
    Place place = make_place();
    place.log.any_content = any_content_;
    Told told;
    std::vector<std::string> wrong;
    for (const auto& words : run) {
      place.log.late = words.find("log=late") != std::string::npos;
      const std::string plan = words + (sync_.empty() ? "" : " sync=" + sync_);
      const auto child = in_child([&](int tell) {
        disk_.arm(place.base.c_str(), attic(place).c_str(), plan.c_str());
        live(place, told.tried + 1, tell);
        disk_.power_cut();
      });
      if (!child.well) wrong.push_back("the host hung or broke down");
      told.read(child.said);
      told.failures = told.failures || words.find("fail=") != std::string::npos;
    }
    const auto checked = in_child([&](int tell) {
      for (const auto& what : check(place, told)) {
        const std::string line = what + "\n";
        [[maybe_unused]] const auto n = ::write(tell, line.data(), line.size());
      }
      const std::string done = "checked\n";
      [[maybe_unused]] const auto n = ::write(tell, done.data(), done.size());
    });
    std::istringstream lines(checked.said);
    bool through = false;
    for (std::string line; std::getline(lines, line);) {
      if (line == "checked") {
        through = true;
      } else {
        wrong.push_back(line);
      }
    }
    if (!through) wrong.push_back("the check itself broke down: the host cannot be started");
    if (std::getenv("LECTERN_CRASH_KEEP") == nullptr) {
      remove(place);
    } else {
      std::printf("kept in %s\n", place.base.c_str());
    }
    return wrong;
  }

 private:
  static std::string attic(const Place& place) { return place.base + ".attic"; }
  static Place make_place() {
    std::string pattern = (fs::temp_directory_path() / "lectern-crash-XXXXXX").string();
    Place place{fs::canonical(::mkdtemp(pattern.data())).string()};
    fs::create_directory(attic(place));
    fs::create_directory(place.root());
    test::write_file(place.notebook(), test::notebook_data("jupyter-4.5.ipynb"));
    return place;
  }
  static void remove(const Place& place) {
    std::error_code ignored;
    fs::remove_all(place.base, ignored);
    fs::remove_all(attic(place), ignored);
  }

  Disk disk_;
  std::string sync_;
  bool any_content_;
  std::uint64_t seed_;
};

std::string spelled(const Run& run) {
  std::string text;
  for (const auto& words : run) text += (text.empty() ? "" : "; ") + words;
  return text;
}

Run parse_run(const std::string& text) {
  Run run;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find("; ", at), text.size());
    run.push_back(text.substr(at, end - at));
    at = end + 2;
  }
  return run;
}

struct Options {
  std::uint64_t runs = 500, seed = 1;
  std::string only, sync;
  bool any_content = false;  // see LogUse
  bool must_fail = false;
};

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto value = [&]() -> std::string { return i + 1 < count ? words[++i] : ""; };
    if (word == "--runs") options.runs = number_in(value());
    if (word == "--seed") options.seed = number_in(value());
    if (word == "--only") options.only = value();
    if (word == "--sync") options.sync = value();
    if (word == "--any-content") options.any_content = true;
    if (word == "--must-fail") options.must_fail = true;
  }
  return options;
}

bool report(const Run& run, const std::vector<std::string>& wrong, const Options& options) {
  if (wrong.empty()) return false;
  const std::string how = (options.sync.empty() ? "" : " --sync " + options.sync) +
                          std::string(options.any_content ? " --any-content" : "");
  std::printf("FAILED: crash_matrix%s --only \"%s\"\n", how.c_str(), spelled(run).c_str());
  for (const auto& line : wrong) std::printf("    %s\n", line.c_str());
  std::fflush(stdout);
  return true;
}

int run_all(const Disk& disk, const Options& options) {
  Matrix matrix(disk, options.sync, options.any_content, options.seed);
  if (!options.only.empty()) {
    const Run run = parse_run(options.only);
    const bool failed = report(run, matrix.execute(run), options);
    std::printf("%s\n", failed ? "failed" : "survived");
    return failed ? 1 : 0;
  }
  const auto begin = std::chrono::steady_clock::now();
  const std::uint64_t calls = matrix.measure();
  if (calls < 100) {
    std::printf("only %lu calls were caught: the library is not preloaded, or catches too little\n",
                static_cast<unsigned long>(calls));
    return 2;
  }
  std::uint64_t failures = 0;
  for (std::uint64_t i = 0; i < options.runs; ++i) {
    const Run run = matrix.plan(i, options.runs, calls);
    const auto wrong = matrix.execute(run);
    failures += wrong.empty() ? 0 : 1;
    // When failures are wanted, a few of them tell enough.
    if (!options.must_fail && failures <= 20) report(run, wrong, options);
  }
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%lu runs over %lu calls, seed %lu%s%s: %lu failed, in %.1f s\n",
              static_cast<unsigned long>(options.runs), static_cast<unsigned long>(calls),
              static_cast<unsigned long>(options.seed), options.sync.empty() ? "" : ", syncs: ", options.sync.c_str(),
              static_cast<unsigned long>(failures), took);
  if (options.must_fail) {
    if (failures == 0) std::printf("what was made wrong was not noticed: the matrix proves nothing\n");
    return failures == 0 ? 1 : 0;
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace lectern::crash

int main(int count, char** words) {
  const auto disk = lectern::crash::find_disk();
  if (disk.arm == nullptr) {
    if (std::getenv("LD_PRELOAD") != nullptr && std::strstr(std::getenv("LD_PRELOAD"), "forgetful") != nullptr) {
      std::fprintf(stderr, "%s cannot be preloaded\n", LECTERN_DISK_LIBRARY);
      return 2;
    }
    ::setenv("LD_PRELOAD", LECTERN_DISK_LIBRARY, 1);
    ::execv("/proc/self/exe", words);
    std::perror("exec");
    return 2;
  }
  return lectern::crash::run_all(disk, lectern::crash::parse(count, words));
}
