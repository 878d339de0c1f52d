#include "runtime/kept_kernels.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "runtime/kept_files.hpp"
#include "runtime/processes.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;
namespace {

constexpr const char* file_name = "kernel.json";
constexpr const char* run_file_name = "run.json";
constexpr const char* waiting_file_name = "waiting.jsonl";
constexpr const char* models_file_name = "models.jsonl";
constexpr std::size_t run_bytes = 2'048;
constexpr std::uintmax_t largest_waiting_file = 256u << 20;
constexpr int to_terminate_ms = 2'000, to_be_killed_ms = 2'000;

bool is_session_id(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string line;
  std::getline(file, line);
  return line;
}

std::string to_json(const KeptRun& run) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("number", run.number).member("id", run.id);
  writer.member("cell_id", run.cell_id).member("by", run.by);
  writer.member("batch", run.batch).member("stop_on_error", run.stop_on_error);
  if (run.count) writer.member("count", *run.count);
  if (!run.code.empty()) writer.member("code", run.code);
  if (run.models_noted) writer.member("models_noted", true);
  if (run.question) {
    writer.key("question").begin_object().member("prompt", run.question->prompt);
    writer.member("password", run.question->password).end_object();
  }
  writer.end_object();
  return out;
}

std::string to_json(const KeptKernel& kernel) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("session_id", kernel.session_id).member("path", kernel.path);
  writer.key("kernel").begin_object().member("name", kernel.kernel.name).member("plugin", kernel.kernel.plugin);
  writer.member("kernel", kernel.kernel.kernel).member("display_name", kernel.kernel.display_name);
  writer.member("language", kernel.kernel.language).end_object();
  writer.member("life", kernel.life).member("process", kernel.process).member("process_start", kernel.process_start);
  writer.member("dead", kernel.dead).member("host", kernel.host).member("host_start", kernel.host_start);
  writer.member("boot", kernel.boot).member("since", kernel.since);
  if (kernel.running) writer.member_raw("running", to_json(*kernel.running));
  writer.end_object();
  return out;
}

/// Into the file of what runs.
bool put_run(int file, const std::optional<KeptRun>& run) {
  auto text = run ? to_json(*run) : std::string("{}");
  if (text.size() > run_bytes && run->question) {  // better the run alone than nothing
    auto bare = *run;
    bare.question.reset();
    text = to_json(bare);
  }
  if (text.size() > run_bytes) text = "{}";
  text.resize(run_bytes, ' ');  // always the same place: no part of an earlier note is left
  return ::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

std::uint64_t number_of(const json::Value& object, std::string_view key) {
  const auto* member = object.find(key);
  return member != nullptr ? member->as_uint().value_or(0) : 0;
}

std::optional<KeptRun> run_from(const json::Value* value) {
  if (value == nullptr || number_of(*value, "number") == 0) return std::nullopt;
  KeptRun run;
  run.number = number_of(*value, "number");
  run.id = json::string_or_empty(*value, "id");
  run.cell_id = json::string_or_empty(*value, "cell_id");
  run.by = json::string_or_empty(*value, "by");
  if (const auto* count = value->find("count")) run.count = count->as_int();
  run.batch = std::max<std::uint64_t>(number_of(*value, "batch"), 1);
  if (const auto* stop = value->find("stop_on_error")) run.stop_on_error = stop->as_bool().value_or(true);
  if (const auto* noted = value->find("models_noted")) run.models_noted = noted->as_bool().value_or(false);
  run.code = json::string_or_empty(*value, "code");
  if (const auto* question = value->find("question"); question != nullptr && question->is_object()) {
    const auto* password = question->find("password");
    run.question = {json::string_or_empty(*question, "prompt"),
                    password != nullptr && password->as_bool().value_or(false)};
  }
  return run;
}

/// A line that is not whole is one that was being written when the host was killed.
std::vector<KeptRun> waiting_from(const std::string& text, std::uint64_t above) {
  std::map<std::uint64_t, KeptRun> waiting;
  for (std::size_t from = 0; from < text.size();) {
    const auto to = std::min(text.find('\n', from), text.size());
    const auto line = json::parse(std::string_view(text).substr(from, to - from), {256u << 20, 8, 64});
    from = to + 1;
    if (!line) continue;
    if (auto run = run_from(&*line)) {
      waiting.insert_or_assign(run->number, std::move(*run));
    } else {
      waiting.erase(number_of(*line, "gone"));
    }
  }
  std::vector<KeptRun> out;
  for (auto& [number, run] : waiting) {
    if (number > above) out.push_back(std::move(run));
  }
  return out;
}

std::optional<KeptKernel> from_json(const std::string& text, const std::string& session_id) {
  const auto value = json::parse(text);
  const auto* kernel = value ? value->find("kernel") : nullptr;
  if (kernel == nullptr || json::string_or_empty(*value, "session_id") != session_id) return std::nullopt;
  KeptKernel out;
  out.session_id = session_id;
  out.path = json::string_or_empty(*value, "path");
  out.kernel.name = json::string_or_empty(*kernel, "name");
  out.kernel.plugin = json::string_or_empty(*kernel, "plugin");
  out.kernel.kernel = json::string_or_empty(*kernel, "kernel");
  out.kernel.display_name = json::string_or_empty(*kernel, "display_name");
  out.kernel.language = json::string_or_empty(*kernel, "language");
  out.life = number_of(*value, "life");
  out.process = static_cast<std::int64_t>(number_of(*value, "process"));
  out.process_start = json::string_or_empty(*value, "process_start");
  const auto* dead = value->find("dead");
  out.dead = dead != nullptr && dead->as_bool().value_or(false);
  out.host = static_cast<std::int64_t>(number_of(*value, "host"));
  out.host_start = json::string_or_empty(*value, "host_start");
  out.boot = json::string_or_empty(*value, "boot");
  out.since = json::string_or_empty(*value, "since");
  out.running = run_from(value->find("running"));
  return out;
}

bool is_process(std::int64_t process, const std::string& start) {
  return process > 1 && !start.empty() && process_start(process) == start;
}

/// Waits for the end of a process that is no child of ours.
bool wait_for_end(int pidfd, int ms) {
  pollfd ended{pidfd, POLLIN, 0};
  const auto until = clock::now_ms() + ms;
  for (auto left = std::int64_t{ms}; left > 0; left = until - clock::now_ms()) {
    if (::poll(&ended, 1, static_cast<int>(left)) > 0) return true;
  }
  return ::poll(&ended, 1, 0) > 0;
}

}  // namespace

KeptKernels::~KeptKernels() {
  for (const auto& [session, notes] : notes_) {
    ::close(notes.run);
    ::close(notes.waiting);
  }
}

KeptKernels::KeptKernels(const fs::path& state_dir, bool enabled, std::function<void(Task)> submit)
    : root_(state_dir / "kernels"), enabled_(enabled), submit_(std::move(submit)) {}

std::string KeptKernels::folder(const std::string& session_id) const {
  return (root_ / session_id).string();
}

Status KeptKernels::write(KeptKernel kernel) {
  if (!is_session_id(kernel.session_id)) return fail(500, "io_error", "a session has no name that a folder can have");
  kernel.host = ::getpid();
  kernel.host_start = process_start(kernel.host);
  kernel.boot = boot_id();
  if (kernel.process != 0 && kernel.process_start.empty()) kernel.process_start = process_start(kernel.process);
  const fs::path to = folder(kernel.session_id);
  std::error_code problem;
  fs::create_directories(to, problem);
  ::chmod(root_.c_str(), 0700);
  ::chmod(to.c_str(), 0700);
  const auto path = to / file_name;
  const int problem_number = write_whole(path, to_json(kernel));
  open_notes(kernel.session_id);  // even so: those of the host before would be found as if they were of now
  if (problem_number == 0) return {};
  return fail(500, "io_error", "cannot write " + path.string() + ": " + std::strerror(problem_number),
              "this kernel cannot be found again by the next host");
}

void KeptKernels::remove(const std::string& session_id) {
  std::shared_ptr<KeptModelFile> models;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto it = notes_.find(session_id); it != notes_.end()) {
      ::close(it->second.run);
      ::close(it->second.waiting);
      notes_.erase(it);
    }
    if (const auto it = model_files_.find(session_id); it != model_files_.end()) {
      models = std::move(it->second);
      model_files_.erase(it);
    }
  }
  if (models) models->end();
  std::error_code ignored;
  if (is_session_id(session_id)) fs::remove_all(folder(session_id), ignored);
}

void KeptKernels::open_notes(const std::string& session_id) {
  const std::scoped_lock lock(mutex_);
  if (notes_.contains(session_id)) return;
  const auto open = [&](const char* name, int flags) {
    const auto path = fs::path(folder(session_id)) / name;
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
  };
  const Notes notes{open(run_file_name, 0), open(waiting_file_name, O_APPEND)};
  if (notes.run >= 0 && notes.waiting >= 0) {
    notes_[session_id] = notes;
    return;
  }
  if (notes.run >= 0) ::close(notes.run);
  if (notes.waiting >= 0) ::close(notes.waiting);
}

bool KeptKernels::note_run(const std::string& session_id, const std::optional<KeptRun>& run) {
  const std::scoped_lock lock(mutex_);
  const auto it = notes_.find(session_id);
  return it != notes_.end() && put_run(it->second.run, run);
}

std::string KeptKernels::waits(const KeptRun& run) {
  return to_json(run) + '\n';
}

std::string KeptKernels::waits_no_more(std::uint64_t number) {
  return R"({"gone":)" + std::to_string(number) + "}\n";
}

bool KeptKernels::note_waiting(const std::string& session_id, std::string_view text, bool anew) {
  const std::scoped_lock lock(mutex_);
  const auto it = notes_.find(session_id);
  if (it == notes_.end()) return false;
  if (anew && ::ftruncate(it->second.waiting, 0) != 0) return false;
  return ::write(it->second.waiting, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

void KeptKernels::none_waits(const std::string& session_id) {
  if (note_waiting(session_id, {}, true) || !is_session_id(session_id)) return;
  const auto path = fs::path(folder(session_id)) / waiting_file_name;
  if (::truncate(path.c_str(), 0) == 0 || errno == ENOENT) return;
  log::warning("runtime", "cannot empty " + path.string() + ": " + std::strerror(errno) +
                              "; the next host may run again what was cancelled");
}

std::shared_ptr<KeptModelFile> KeptKernels::model_file(const std::string& session_id) {
  const std::scoped_lock lock(mutex_);
  auto& file = model_files_[session_id];
  if (!file) file = std::make_shared<KeptModelFile>(fs::path(folder(session_id)) / models_file_name, submit_);
  return file;
}

std::optional<std::vector<KeptModel>> KeptKernels::models(const std::string& session_id) const {
  if (!is_session_id(session_id)) return std::nullopt;
  const auto path = fs::path(folder(session_id)) / models_file_name;
  std::error_code problem;
  const auto size = fs::file_size(path, problem);
  const bool none = problem == std::errc::no_such_file_or_directory || (!problem && size == 0);
  const auto text = none ? std::string() : read_small(path, most_noted_models_bytes);
  // What there is and cannot be read, or is too much, says nothing of what it does not have.
  auto out = none || !text.empty() ? kept_models_from(text) : std::nullopt;
  if (!out) {
    log::warning("runtime", path.string() +
                                " is damaged: the kernel is asked for its widgets; which cells made them "
                                "is not known");
  }
  return out;
}

void KeptKernels::add_models(KeptKernel& found) const {
  if (auto noted = models(found.session_id)) {
    found.models = std::move(*noted);
  } else if (found.running && std::exchange(found.running->models_noted, false)) {
    // In the file too: the models of this host will be whole, and a next one must not take them for all.
    const auto path = fs::path(folder(found.session_id)) / run_file_name;
    const int run = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (run >= 0) (void)put_run(run, found.running);
    if (run >= 0) ::close(run);
  }
}

Status KeptKernels::prepare(KeptKernel kernel) {
  // One that could not be taken up, and that nothing would name any more.
  if (const auto before = find(kernel.session_id); before && !held_elsewhere(*before)) (void)end(*before);
  const std::scoped_lock writing(writing_);
  {
    const std::scoped_lock lock(mutex_);
    newest_.erase(kernel.session_id);
  }
  remove(kernel.session_id);  // of one before, whose plugin may be another
  return write(std::move(kernel));
}

void KeptKernels::change(const std::string& session_id, std::optional<KeptKernel> to) {
  {
    const std::scoped_lock lock(mutex_);
    const auto [it, first] = newest_.insert_or_assign(session_id, std::move(to));
    if (!first) return;  // whoever writes the one before finds this one
  }
  submit_([this, session_id] { write_newest(session_id); });
}

void KeptKernels::put(KeptKernel kernel) {
  auto session_id = kernel.session_id;
  change(session_id, std::move(kernel));
}

void KeptKernels::forget(const std::string& session_id) {
  change(session_id, std::nullopt);
}

void KeptKernels::write_newest(const std::string& session_id) {
  const std::scoped_lock writing(writing_);
  std::optional<KeptKernel> kernel;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = newest_.find(session_id);
    if (it == newest_.end()) return;
    kernel = std::move(it->second);
    newest_.erase(it);
  }
  if (!kernel) return remove(session_id);
  if (const auto written = write(std::move(*kernel)); !written) log::warning("runtime", written.error().message);
}

void KeptKernels::clear(const KeptKernel& seen) {
  const std::scoped_lock writing(writing_);
  const auto now = find(seen.session_id);
  if (now && now->since == seen.since && now->process == seen.process) remove(seen.session_id);
}

std::optional<KeptKernel> KeptKernels::find(const std::string& session_id) const {
  if (!is_session_id(session_id)) return std::nullopt;
  const fs::path in = folder(session_id);
  auto found = from_json(read_small(in / file_name), session_id);
  const auto noted = json::parse(read_small(in / run_file_name));
  if (found && noted) found->running = run_from(&*noted);
  if (found) {
    found->waiting = waiting_from(read_small(in / waiting_file_name, largest_waiting_file),
                                  found->running ? found->running->number : 0);
  }
  return found;
}

std::vector<KeptKernel> KeptKernels::list() const {
  std::vector<KeptKernel> out;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(root_, problem)) {
    if (auto found = find(entry.path().filename().string())) out.push_back(std::move(*found));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
  return out;
}

bool KeptKernels::held_elsewhere(const KeptKernel& kernel) {
  return kernel.host != ::getpid() && kernel.boot == boot_id() && is_process(kernel.host, kernel.host_start);
}

bool KeptKernels::alive(const KeptKernel& kernel) {
  return !kernel.dead && kernel.boot == boot_id() && is_process(kernel.process, kernel.process_start);
}

bool KeptKernels::end(const KeptKernel& kernel) {
  if (kernel.process == 0) return kernel.dead;
  const auto pid = static_cast<pid_t>(kernel.process);
  // The descriptor first: what it names cannot become another process between the look and the signal.
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0 || !alive(kernel)) {
    if (pidfd >= 0) ::close(pidfd);
    return !alive(kernel);
  }
  ::kill(-pid, SIGTERM);
  bool ended = wait_for_end(pidfd, to_terminate_ms);
  ::kill(-pid, SIGKILL);  // also what it started and left behind
  ended = ended || wait_for_end(pidfd, to_be_killed_ms);
  ::close(pidfd);
  return ended;
}

}  // namespace lectern::runtime
