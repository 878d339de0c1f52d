#include "isolation/serve.hpp"

#include <sys/time.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "isolation/keeper.hpp"
#include "isolation/live.hpp"
#include "isolation/members.hpp"
#include "isolation/news.hpp"
#include "isolation/outbox.hpp"
#include "isolation/sandbox.hpp"
#include "plugin/call.hpp"
#include "plugin/checking.hpp"
#include "plugin/generation.hpp"

namespace lectern::isolation {

namespace {

using plugin::may_throw;
using plugin::view;

/// Where the library, what it links to, and the dynamic linker's index lie. Nothing of the user's.
std::vector<std::filesystem::path> needed_to_load(const std::filesystem::path& staged) {
  std::vector<std::filesystem::path> places{staged.parent_path(), "/usr", "/lib", "/lib64", "/etc/ld.so.cache"};
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) places.push_back(self.parent_path());
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  places.emplace_back("/proc");  // its runtime looks at its own maps
#endif
  return places;
}

class Server {
 public:
  explicit Server(int fd) : fd_(fd), socket_(fd) {}

  int run() {
    if (!start()) return 0;
    for (;;) {
      auto [type, payload] = socket_.receive();
      if (type == FrameType::ping) {
        socket_.send(FrameType::pong, news());
      } else if (type == FrameType::call && live_) {
        live_->call(std::move(payload));
      } else if (type == FrameType::call) {
        call(payload);
      } else {
        leave();
      }
    }
  }

 private:
  bool refuse(const Error& error) {
    Packer to;
    to.number<std::int32_t>(error.status);
    to.text(std::string_view(error.code));
    to.text(std::string_view(error.message));
    to.text(std::string_view(error.hint));
    socket_.send(FrameType::refused, to.bytes());
    return false;
  }

  bool start() {
    const auto [type, payload] = socket_.receive();
    if (type != FrameType::hello) leave();
    Unpacker from(payload);
    plugin::Manifest manifest;
    manifest.id = from.text();
    const auto kind = plugin::kind_from(from.text());
    manifest.abi_major = from.number<std::uint32_t>();
    manifest.abi_minor = from.number<std::uint32_t>();
    manifest.library = from.text();
    manifest.path = from.text();
    const std::filesystem::path staged = from.text();
    std::string sha256(from.text());
    Limits limits;
    limits.memory_bytes = from.number<std::uint64_t>();
    limits.cpu_seconds = from.number<std::uint64_t>();
    limits.open_files = from.number<std::uint64_t>();
    const std::filesystem::path folder = from.text();
    plugin::ServiceOptions services;
    services.checks = static_cast<plugin::CheckLevel>(from.number<std::int32_t>());
    services.lowest_level = from.number<log::Level>();
    if (!from.ok() || !kind) leave();
    manifest.kind = *kind;
    log::set_level(services.lowest_level);
    // A runtime starts programs and makes sockets: what holds for those of the user holds for it.
    const bool free = manifest.kind == plugin::Kind::runtime;
    if (free) {
      if (!keep(fd_)) return refuse({500, "no_sandbox", "the plugin's process could not make another", {}, {}});
      if (auto limited = limit_programs(); !limited) return refuse(limited.error());
    } else {
      if (auto limited = limit(limits, !folder.empty()); !limited) return refuse(limited.error());
      if (auto confined = confine(needed_to_load(staged), folder); !confined) return refuse(confined.error());
      if (auto filtered = allow_loading(!folder.empty()); !filtered) return refuse(filtered.error());
    }
    auto loaded = plugin::Generation::load(std::move(manifest), staged, std::move(sha256), 1, services);
    if (!loaded) return refuse(loaded.error());
    generation_ = std::move(*loaded);
    if (Live::speaks(generation_->kind()))
      live_ = std::make_unique<Live>(socket_, *generation_, [this] { return news(); });
    if (!free) {
      if (auto filtered = allow_computing(!folder.empty()); !filtered) return refuse(filtered.error());
    }
    announce();
    return true;
  }

  void announce() {
    Packer to;
    to.text(std::string_view(news()));
    to.text(std::string_view(generation_->report().build));
    if (generation_->kind() == plugin::Kind::format) {
      format_ = plugin::read_struct(static_cast<const lectern_format*>(generation_->interface()));
      to.number(format_.n_extensions);
      for (std::uint32_t i = 0; i < format_.n_extensions; ++i) to.text(view(format_.extensions[i]));
    } else if (generation_->kind() == plugin::Kind::policy) {
      policy_ = plugin::read_struct(static_cast<const lectern_policy*>(generation_->interface()));
      to.number(policy_.flags);
      to.text(view(policy_.state_schema));
      to.text(view(policy_.actions_json));
    } else if (live_) {
      live_->announce(to);
    } else if (generation_->kind() == plugin::Kind::presence) {
      presence_ = plugin::read_struct(static_cast<const lectern_presence*>(generation_->interface()));
      to.number(presence_.lag_ms);
      to.number(presence_.min_period_ms);
    }
    to.text(std::string_view(generation_->report().config_schema));
    to.number<std::uint8_t>(generation_->extension(LECTERN_EXT_HEALTH) != nullptr ? 1 : 0);
    socket_.send(FrameType::ready, to.bytes());
  }

  void call(const std::string& payload) {
    // When the host dies during a call that does not end, nobody else would end us.
    const itimerval watch{{0, 0}, {300, 0}}, none{};
    ::setitimer(ITIMER_REAL, &watch, nullptr);
    Unpacker from(payload);
    Outbox out{socket_, {}, {}};
    lectern_error error = plugin::empty_error();
    std::optional<std::int32_t> value;
    const auto status = contained(error, [&] { return dispatch(from, out, error, value); });
    if (!from.ok()) leave();
    ::setitimer(ITIMER_REAL, &none, nullptr);
    Packer to;
    to.text(std::string_view(news()));
    pack_end(to, status, error);
    if (value) to.number(*value);
    to.bytes().append(out.records.bytes());
    socket_.send(FrameType::done, to.bytes());
  }

  /// All there is to tell, when it is not what was told last; else nothing.
  std::string news() {
    News now;
    for (auto& one : generation_->metrics())
      now.metrics.push_back({one.number, one.counter, std::move(one.name), std::move(one.help), one.value});
    for (auto& one : generation_->checker()->breaches()) {
      now.breaches.push_back(
          {one.side == plugin::Side::host, std::move(one.tag), std::move(one.where), std::move(one.what), one.count});
    }
    now.dropped_lines = generation_->dropped_lines();
    std::string text = now.write();
    if (text == told_) return {};
    told_ = text;
    return text;
  }

  template <class Body>
  static lectern_status contained(lectern_error& error, Body&& body) {
    std::string what;
    try {
      return body();
    } catch (const std::exception& problem) {
      what = std::string("threw an exception across the plugin line: ") + problem.what();
    } catch (...) {
      what = "threw something that is no std::exception across the plugin line";
    }
    what.copy(error.message, sizeof error.message - 1);
    error.message[std::min(what.size(), sizeof error.message - 1)] = '\0';
    return LECTERN_INTERNAL;
  }

  lectern_status dispatch(Unpacker& from, Outbox& out, lectern_error& error, std::optional<std::int32_t>& value) {
    const auto op = from.number<Op>();
    if (op == Op::health) return health(out);
    if (generation_->kind() == plugin::Kind::format) {
      if (op == Op::format_probe) {
        const auto path = from.abi_view();
        const auto head = from.abi_view();
        value = may_throw(format_.probe)(path, head);
        return LECTERN_OK;
      }
      if (op == Op::format_read) return read(from, out, error);
      if (op == Op::format_write) return write(from, out, error);
    } else if (generation_->kind() == plugin::Kind::policy) {
      if (op == Op::policy_create) return create(from, error, policy_.create);
      if (op == Op::policy_destroy) return destroy(from, policy_.destroy);
      if (op == Op::policy_reduce) return reduce(from, out, error);
    } else if (generation_->kind() == plugin::Kind::presence) {
      if (op == Op::presence_open) return create(from, error, presence_.open);
      if (op == Op::presence_close) return destroy(from, presence_.close);
      if (op == Op::presence_publish || op == Op::presence_remove || op == Op::presence_snapshot)
        return store(op, from, out, error);
    }
    leave();
  }

  lectern_status health(Outbox& out) {
    const auto said = generation_->health();
    out.records.number(static_cast<std::int32_t>(said ? said->state : plugin::HealthState::ok));
    out.records.text(std::string_view(said ? said->summary : ""));
    out.records.text(std::string_view(said ? said->details_json : ""));
    return LECTERN_OK;
  }

  lectern_status store(Op op, Unpacker& from, Outbox& out, lectern_error& error) {
    const auto at = objects_.find(from.number<std::uint64_t>());
    if (at == objects_.end()) leave();
    if (op == Op::presence_snapshot) {
      const plugin::Loan<lectern_presence_sink> sink(generation_->checker(), &out, records_to_host);
      return may_throw(presence_.snapshot)(at->second.self, sink.get(), &error);
    }
    const auto device = from.abi_view(), instance = from.abi_view();
    if (op == Op::presence_remove) return may_throw(presence_.remove)(at->second.self, device, instance, &error);
    const auto record = from.abi_view();
    if (!from.ok()) leave();
    return may_throw(presence_.publish)(at->second.self, device, instance, record, &error);
  }

  lectern_status read(Unpacker& from, Outbox& out, lectern_error& error) {
    lectern_format_limits limits{};
    limits.struct_size = sizeof limits;
    limits.max_depth = from.number<std::uint32_t>();
    limits.max_bytes = from.number<std::uint64_t>();
    limits.max_cells = from.number<std::uint64_t>();
    limits.max_source_bytes = from.number<std::uint64_t>();
    out.shared = from.rest();
    const plugin::Loan<lectern_notebook_builder> builder(generation_->checker(), &out, builder_to_host);
    return may_throw(format_.read)({out.shared.data(), out.shared.size()}, &limits, builder.get(), &error);
  }

  lectern_status write(Unpacker& from, Outbox& out, lectern_error& error) {
    lectern_notebook notebook{};
    notebook.struct_size = sizeof notebook;
    notebook.cell_stride = sizeof(lectern_cell);
    notebook.changed = from.number<std::uint32_t>();
    for (lectern_str* text : {&notebook.metadata, &notebook.original, &notebook.language}) *text = from.abi_text();
    notebook.n_cells = from.number<std::uint32_t>();
    std::vector<lectern_cell> cells(notebook.n_cells);
    for (lectern_cell& cell : cells) {
      cell.struct_size = sizeof cell;
      cell.changed = from.number<std::uint32_t>();
      cell.execution_count = from.number<std::int64_t>();
      for (lectern_str* text :
           {&cell.id, &cell.cell_type, &cell.source, &cell.metadata, &cell.attachments, &cell.outputs, &cell.original})
        *text = from.abi_text();
    }
    notebook.cells = cells.data();
    if (!from.ok()) leave();
    const plugin::Loan<lectern_sink> sink(generation_->checker(), &out, bytes_to_host);
    return may_throw(format_.write)(&notebook, sink.get(), &error);
  }

  template <class Make>
  lectern_status create(Unpacker& from, lectern_error& error, Make make) {
    const auto number = from.number<std::uint64_t>();
    const auto config = from.abi_view();
    void* self = nullptr;
    const auto status = may_throw(make)(config, &self, &error);
    if (status == LECTERN_OK) objects_[number].self = self;
    return status;
  }

  template <class End>
  lectern_status destroy(Unpacker& from, End end) {
    const auto at = objects_.find(from.number<std::uint64_t>());
    if (at == objects_.end()) return LECTERN_NOT_FOUND;
    may_throw(end)(std::exchange(at->second.self, nullptr));
    objects_.erase(at);
    return LECTERN_OK;
  }

  lectern_status reduce(Unpacker& from, Outbox& out, lectern_error& error) {
    const auto at = objects_.find(from.number<std::uint64_t>());
    if (at == objects_.end()) leave();
    const auto state = from.abi_text();
    lectern_event event{};
    event.struct_size = sizeof event;
    event.kind = from.number<std::uint32_t>();
    event.value = from.number<std::uint32_t>();
    for (std::uint64_t* value : {&event.seq, &event.who, &event.target, &event.request, &event.timer})
      *value = from.number<std::uint64_t>();
    event.verb = from.abi_text();
    event.json = from.abi_text();
    lectern_room room{};
    std::vector<lectern_request> requests;
    take_room(from, room, at->second, requests);
    if (!from.ok()) leave();
    const plugin::Loan<lectern_policy_out> sinks(generation_->checker(), &out, effects_to_host(error));
    return may_throw(policy_.reduce)(at->second.self, state, &room, &event, sinks.get());
  }

  struct Object {
    void* self = nullptr;
    KnownMembers members;              // of a policy's room, as they were at its last decision
    std::vector<lectern_member> flat;  // the same in the interface's shape
  };

  static void take_room(Unpacker& from, lectern_room& room, Object& object, std::vector<lectern_request>& requests) {
    room.struct_size = sizeof room;
    room.member_stride = sizeof(lectern_member);
    room.request_stride = sizeof(lectern_request);
    for (std::uint64_t* value : {&room.version, &room.epoch, &room.holder}) *value = from.number<std::uint64_t>();
    room.now_ms = from.number<std::int64_t>();
    room.since_ms = from.number<std::int64_t>();
    if (!take_members(from, object.members)) leave();
    flatten(object.members, object.flat);
    room.members = object.flat.data();
    room.n_members = static_cast<std::uint32_t>(object.flat.size());
    room.n_requests = from.number<std::uint32_t>();
    requests.resize(room.n_requests);
    for (lectern_request& r : requests) {
      for (std::uint64_t* value : {&r.id, &r.from, &r.asked, &r.if_epoch}) *value = from.number<std::uint64_t>();
      r.at_ms = from.number<std::int64_t>();
      r.deadline_ms = from.number<std::int64_t>();
      r.reason = from.abi_text();
    }
    room.requests = requests.data();
  }

  const int fd_;
  Socket socket_;
  std::unique_ptr<plugin::Generation> generation_;
  std::unique_ptr<Live> live_;  // of the kinds a Line talks to
  lectern_format format_{};
  lectern_policy policy_{};
  lectern_presence presence_{};
  std::map<std::uint64_t, Object> objects_;
  std::string told_;
};

}  // namespace

int serve(int fd) {
  const int code = Server(fd).run();
  ::_exit(code);  // no exit handlers: the plugin's may do anything
}

}  // namespace lectern::isolation
