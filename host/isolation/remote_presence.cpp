// Presence backends through the proxy: one process for each object, shut into the folder its settings name.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/json.hpp"
#include "isolation/remote.hpp"
#include "isolation/seats.hpp"

namespace lectern::isolation {

namespace fs = std::filesystem;

namespace {

constexpr int patience_ms = 2000;

/// What the settings call "folder", which the host makes when it is not there: the process could not.
Result<fs::path> folder_of(std::string_view config, const std::string& id) {
  const auto settings = json::parse(config, {.bytes = 64u << 10, .depth = 16, .nodes = 10'000, .unique_keys = true});
  const auto* folder = settings ? settings->find("folder") : nullptr;
  if (folder == nullptr || folder->as_string() == nullptr || folder->as_string()->empty() ||
      folder->as_string()->front() != '/') {
    return fail(400, "bad_config", id + " runs in a process of its own and its settings name no \"folder\"",
                "Give it an absolute path, which is all it may write to; or trust it with `lectern plugins trust`.");
  }
  const std::string path = *folder->as_string();
  for (auto slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    ::mkdir(path.substr(0, slash).c_str(), 0700);  // what follows says what is wrong
    if (slash == std::string::npos) break;
  }
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0)
    return fail(503, "presence_unavailable", "the folder " + path + " cannot be made: " + std::strerror(errno),
                "Check that the place is there and may be written to.");
  if (!S_ISDIR(facts.st_mode)) return fail(400, "bad_config", path + " is not a folder");
  return fs::path(path);
}

lectern_status replay_found(std::string_view records, const lectern_presence_sink& out) {
  Unpacker from(records);
  lectern_status status = LECTERN_OK;
  while (from.ok() && !from.empty() && status == LECTERN_OK) {
    const auto kind = from.number<Record>();
    if (kind != Record::found && kind != Record::rejected) return LECTERN_INTERNAL;
    const auto origin = from.abi_text(), what = from.abi_text();
    if (!from.ok()) break;
    status = kind == Record::found ? out.record(out.ctx, origin, what) : out.rejected(out.ctx, origin, what);
  }
  return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
}

lectern_status take_nothing(std::string_view records) {
  return records.empty() ? LECTERN_OK : LECTERN_INTERNAL;
}

}  // namespace

lectern_status Remote::open(std::string_view config, std::uint64_t& object, lectern_error& error) {
  const auto folder = folder_of(config, launch_.id);
  if (!folder) {
    const auto status = blame(folder.error(), error);
    return folder.error().status == 400 ? lectern_status{LECTERN_INVALID} : status;
  }
  Launch launch = launch_;
  launch.folder = *folder;
  const auto seat = new_seat(launch);
  struct stat facts {};
  if (::stat(folder->c_str(), &facts) == 0) seat->place = {facts.st_dev, facts.st_ino};
  if (const auto awake = seat->child.wake(patience_ms); !awake) return blame(awake.error(), error);
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    number = next_object_++;
  }
  const auto status = seat->child.make(number, config, error);
  if (status != LECTERN_OK) return status;
  object = number;
  seat->object = number;
  const std::scoped_lock lock(mutex_);
  seats_.push_back(seat);
  return LECTERN_OK;
}

void Remote::close(std::uint64_t object) {
  const Turn turn = turn_of(object);
  if (!turn) return;
  turn->let_go(object, Op::presence_close);
  turn->put_to_sleep();
  const std::scoped_lock lock(mutex_);
  std::erase_if(seats_, [object](const auto& seat) { return seat->object == object; });
}

lectern_status Remote::stored(std::uint64_t object, std::string_view request, lectern_error& error,
                              const std::function<lectern_status(std::string_view)>& on_records) {
  const Turn turn = turn_of(object);
  if (!turn) return LECTERN_CONFLICT;
  Seat& seat = turn.seat();
  // The kernel's rule is about a folder, not about its name: another one in its place wants a process of its own.
  struct stat facts {};
  if (::stat(seat.folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) &&
      seat.place != Seat::Place{facts.st_dev, facts.st_ino}) {
    seat.place = {facts.st_dev, facts.st_ino};
    turn->put_to_sleep();
  }
  if (const auto awake = turn->wake(patience_ms); !awake) return blame(awake.error(), error);
  const Object* const known = turn->object(object);
  if (known == nullptr || !known->refusal.empty()) {
    const std::string why = known == nullptr ? "it was closed" : known->refusal;
    turn->put_to_sleep();  // its folder may be back at the next call
    return blame({503, "plugin_died", why, "The next call tries it again.", {}}, error);
  }
  const Deadline deadline{launch_.limits.presence_ms, launch_.limits.presence_ms * 3};
  const auto done = turn->call(request, {}, deadline, most_small, on_records);
  return done ? ended(*done, error, on_records) : blame(done.error(), error);
}

lectern_status Remote::publish(std::uint64_t object, std::string_view device_id, std::string_view instance_id,
                               std::string_view record, lectern_error& error) {
  Packer to = request(Op::presence_publish);
  to.number(object);
  for (const std::string_view text : {device_id, instance_id, record}) to.text(text);
  return stored(object, to.bytes(), error, &take_nothing);
}

lectern_status Remote::remove(std::uint64_t object, std::string_view device_id, std::string_view instance_id,
                              lectern_error& error) {
  Packer to = request(Op::presence_remove);
  to.number(object);
  for (const std::string_view text : {device_id, instance_id}) to.text(text);
  return stored(object, to.bytes(), error, &take_nothing);
}

lectern_status Remote::snapshot(std::uint64_t object, const lectern_presence_sink& out, lectern_error& error) {
  Packer to = request(Op::presence_snapshot);
  to.number(object);
  lectern_status said = LECTERN_OK;
  return stored(object, to.bytes(), error, [&](std::string_view records) {
    if (said == LECTERN_OK) said = replay_found(records, out);
    return said;
  });
}

}  // namespace lectern::isolation
