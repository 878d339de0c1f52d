#include "plugin/extensions_describe.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"

namespace lectern::plugin {

namespace {

constexpr std::int64_t patience_ms = 10'000;
constexpr std::size_t most_described = 1u << 20;

/// In the child: one JSON object about the plugin, or about why there is none.
std::string child_says(const RegistryOptions& options, Kind kind, const std::string& id) {
  std::string out;
  json::Writer to(out);
  to.begin_object();
  Registry registry(options);
  const auto generation = registry.load(kind, id);
  if (!generation) {
    const Error& error = generation.error();
    to.member("status", error.status).member("code", error.code).member("message", error.message);
    to.member("hint", error.hint).end_object();
    return out;
  }
  const auto health = (*generation)->health();
  const auto report = (*generation)->report();
  to.member("schema", report.config_schema);
  if (health) {
    to.member("health", static_cast<int>(health->state)).member("summary", health->summary);
    to.member("details", health->details_json);
  }
  to.key("breaches").begin_array();
  for (const Breach& one : report.breaches) {
    to.begin_object().member("tag", one.tag).member("where", one.where).member("what", one.what);
    to.member("count", one.count).end_object();
  }
  to.end_array().end_object();
  return out;
}

Result<Description> understood(const std::string& said, const std::string& id) {
  const auto value = json::parse(said);
  if (!value) return fail(500, "load_failed", id + " did not say how it is", "Run lectern-validate on it.");
  if (const auto* code = value->find("code")) {
    const auto* status = value->find("status");
    return fail(static_cast<int>(status->as_int().value_or(500)), *code->as_string(),
                json::string_or_empty(*value, "message"), json::string_or_empty(*value, "hint"));
  }
  Description out;
  out.config_schema = json::string_or_empty(*value, "schema");
  if (const auto* state = value->find("health")) {
    out.health = Health{static_cast<HealthState>(state->as_int().value_or(0)), json::string_or_empty(*value, "summary"),
                        json::string_or_empty(*value, "details")};
  }
  for (const auto& one : *value->find("breaches")->as_array()) {
    out.breaches.push_back({Side::plugin, json::string_or_empty(one, "tag"), json::string_or_empty(one, "where"),
                            json::string_or_empty(one, "what"), one.find("count")->as_uint().value_or(1)});
  }
  return out;
}

/// Everything the child writes until it closes its end; false when it took too long.
bool read_all(int fd, std::string& to) {
  const auto until = clock::now_ms() + patience_ms;
  std::array<char, 4096> buffer;
  while (to.size() < most_described) {
    pollfd waiting{fd, POLLIN, 0};
    const auto left = until - clock::now_ms();
    if (left <= 0) return false;
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;
    to.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return false;
}

void write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const auto n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace

Result<Description> describe(const RegistryOptions& options, Kind kind, const std::string& id) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return fail(500, "internal", std::string("no pipe: ") + std::strerror(errno));
  const pid_t child = ::fork();
  if (child < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return fail(500, "internal", std::string("no process: ") + std::strerror(errno));
  }
  if (child == 0) {
    ::close(ends[0]);
    write_all(ends[1], child_says(options, kind, id));
    ::_exit(0);  // no destructors: what the parent has is the parent's
  }
  ::close(ends[1]);
  std::string said;
  const bool whole = read_all(ends[0], said);
  ::close(ends[0]);
  if (!whole) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!whole)
    return fail(500, "load_failed", id + " took longer than 10 s to load and say how it is",
                "Run lectern-validate on it.");
  if (WIFSIGNALED(status)) {
    return fail(500, "load_failed", id + " crashed when it was loaded: " + ::strsignal(WTERMSIG(status)),
                "Run lectern-validate on it.");
  }
  return understood(said, id);
}

}  // namespace lectern::plugin
