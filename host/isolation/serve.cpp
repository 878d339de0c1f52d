#include "isolation/serve.hpp"

#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "isolation/sandbox.hpp"
#include "isolation/wire.hpp"
#include "plugin/call.hpp"
#include "plugin/generation.hpp"

namespace lectern::isolation {

namespace {

using plugin::may_throw;
using plugin::view;

/// The host is gone, or talks nonsense: nothing is left to do for this process.
[[noreturn]] void leave() {
  ::_exit(0);
}

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

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}

  void send(FrameType type, std::string_view payload) const {
    std::array<char, frame_head> head{};
    const auto length = static_cast<std::uint32_t>(payload.size());
    std::memcpy(head.data(), &length, sizeof length);
    head[4] = static_cast<char>(type);
    std::string frame;
    if (payload.size() < (64u << 10)) {
      frame.append(head.data(), head.size()).append(payload);
      put(frame);
    } else {
      put({head.data(), head.size()});
      put(payload);
    }
  }
  std::pair<FrameType, std::string> receive() const {
    std::array<char, frame_head> head{};
    get(head.data(), head.size());
    std::uint32_t length = 0;
    std::memcpy(&length, head.data(), sizeof length);
    std::string payload(length, '\0');
    get(payload.data(), payload.size());
    return {static_cast<FrameType>(head[4]), std::move(payload)};
  }

 private:
  void put(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) leave();
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void get(char* to, std::size_t size) const {
    while (size != 0) {
      const auto n = ::read(fd_, to, size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) leave();
      to += n;
      size -= static_cast<std::size_t>(n);
    }
  }
  int fd_;
};

/// What a plugin writes during one call, on its way to the host.
struct Outbox {
  const Socket& socket;
  Packer records;
  std::string_view shared;
  lectern_status said = LECTERN_OK;

  lectern_status next() {
    if (said != LECTERN_OK || records.size() < batch_bytes) return said;
    socket.send(FrameType::records, records.bytes());
    records.bytes().clear();
    const auto [type, payload] = socket.receive();
    if (type != FrameType::ack || payload.size() != sizeof said) leave();
    std::memcpy(&said, payload.data(), sizeof said);
    return said;
  }
};

template <class Body>
lectern_status caught(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}

lectern_status on_cells(void* ctx, const lectern_cell* cells, std::uint32_t stride, std::uint32_t n) noexcept {
  return caught([&] {
    auto& out = *static_cast<Outbox*>(ctx);
    if (cells == nullptr || stride < sizeof(lectern_cell)) {
      out.records.number(Record::bad_cells);
      out.records.number(stride);
      return out.next();
    }
    const char* at = reinterpret_cast<const char*>(cells);
    for (std::uint32_t i = 0; i < n && out.said == LECTERN_OK; ++i, at += stride) {
      const auto cell = plugin::read_struct(reinterpret_cast<const lectern_cell*>(at));
      out.records.number(Record::cells);
      out.records.number(cell.changed);
      out.records.number(cell.execution_count);
      for (const lectern_str text :
           {cell.id, cell.cell_type, cell.source, cell.metadata, cell.attachments, cell.outputs, cell.original})
        out.records.text(text, out.shared);
      (void)out.next();
    }
    return out.said;
  });
}
lectern_status on_notebook(void* ctx, const lectern_notebook* raw) noexcept {
  return caught([&] {
    auto& out = *static_cast<Outbox*>(ctx);
    const auto notebook = plugin::read_struct(raw);
    out.records.number(Record::notebook);
    out.records.number<std::uint8_t>(raw != nullptr ? 1 : 0);
    out.records.number(notebook.changed);
    for (const lectern_str text : {notebook.metadata, notebook.original, notebook.language})
      out.records.text(text, out.shared);
    return out.next();
  });
}
lectern_status on_notice(void* ctx, lectern_str text) noexcept {
  return caught([&] {
    auto& out = *static_cast<Outbox*>(ctx);
    out.records.number(Record::notice);
    out.records.text(text);
    return out.next();
  });
}
lectern_status on_bytes(void* ctx, lectern_str bytes) noexcept {
  return caught([&] {
    auto& out = *static_cast<Outbox*>(ctx);
    out.records.number(Record::bytes);
    out.records.text(bytes);
    return out.next();
  });
}
lectern_status on_effect(void* ctx, const lectern_effect* raw) noexcept {
  return caught([&] {
    auto& out = *static_cast<Outbox*>(ctx);
    const auto effect = plugin::read_struct(raw);
    out.records.number(Record::effect);
    out.records.number<std::uint8_t>(raw != nullptr ? 1 : 0);
    for (const std::uint32_t value : {effect.struct_size, effect.kind, effect.caps, effect.verdict})
      out.records.number(value);
    for (const std::uint64_t value : {effect.target, effect.request, effect.timer}) out.records.number(value);
    out.records.number(effect.at_ms);
    out.records.text(effect.text);
    return out.next();
  });
}
lectern_status on_state(void* ctx, lectern_str state) noexcept {
  return caught([&] {
    auto& out = *static_cast<Outbox*>(ctx);
    out.records.number(Record::state);
    out.records.text(state);
    return out.next();
  });
}

class Server {
 public:
  explicit Server(int fd) : socket_(fd) {}

  int run() {
    if (!start()) return 0;
    for (;;) {
      auto [type, payload] = socket_.receive();
      if (type == FrameType::ping) {
        socket_.send(FrameType::pong, {});
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
    const bool sandbox = from.number<std::uint8_t>() != 0;
    if (!from.ok() || !kind) leave();
    manifest.kind = *kind;
    if (sandbox) {
      if (auto limited = limit(limits); !limited) return refuse(limited.error());
      if (auto confined = read_only_beneath(needed_to_load(staged)); !confined) return refuse(confined.error());
      if (auto filtered = allow_loading(); !filtered) return refuse(filtered.error());
    }
    auto loaded = plugin::Generation::load(std::move(manifest), staged, std::move(sha256), 1);
    if (!loaded) return refuse(loaded.error());
    generation_ = std::move(*loaded);
    if (sandbox) {
      if (auto filtered = allow_computing(); !filtered) return refuse(filtered.error());
    }
    announce();
    return true;
  }

  void announce() {
    Packer to;
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
    }
    to.text(std::string_view(generation_->report().config_schema));
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
    pack_end(to, status, error);
    if (value) to.number(*value);
    to.bytes().append(out.records.bytes());
    socket_.send(FrameType::done, to.bytes());
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
      if (op == Op::policy_create) return create(from, error);
      if (op == Op::policy_destroy) return destroy(from);
      if (op == Op::policy_reduce) return reduce(from, out, error);
    }
    leave();
  }

  lectern_status read(Unpacker& from, Outbox& out, lectern_error& error) {
    lectern_format_limits limits{};
    limits.struct_size = sizeof limits;
    limits.max_depth = from.number<std::uint32_t>();
    limits.max_bytes = from.number<std::uint64_t>();
    limits.max_cells = from.number<std::uint64_t>();
    limits.max_source_bytes = from.number<std::uint64_t>();
    out.shared = from.rest();
    const lectern_notebook_builder builder{sizeof builder, 0, &out, &on_cells, &on_notebook, &on_notice};
    return may_throw(format_.read)({out.shared.data(), out.shared.size()}, &limits, &builder, &error);
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
    const lectern_sink sink{sizeof sink, 0, &out, &on_bytes};
    return may_throw(format_.write)(&notebook, &sink, &error);
  }

  lectern_status create(Unpacker& from, lectern_error& error) {
    const auto object = from.number<std::uint64_t>();
    const auto config = from.abi_view();
    void* self = nullptr;
    const auto status = may_throw(policy_.create)(config, &self, &error);
    if (status == LECTERN_OK) objects_[object] = self;
    return status;
  }

  lectern_status destroy(Unpacker& from) {
    const auto at = objects_.find(from.number<std::uint64_t>());
    if (at == objects_.end()) return LECTERN_NOT_FOUND;
    may_throw(policy_.destroy)(std::exchange(at->second, nullptr));
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
    std::vector<lectern_member> members;
    std::vector<lectern_request> requests;
    take_room(from, room, members, requests);
    if (!from.ok()) leave();
    const lectern_policy_out sinks{sizeof sinks, 0, &out, &on_effect, &on_state, &error};
    return may_throw(policy_.reduce)(at->second, state, &room, &event, &sinks);
  }

  static void take_room(Unpacker& from, lectern_room& room, std::vector<lectern_member>& members,
                        std::vector<lectern_request>& requests) {
    room.struct_size = sizeof room;
    room.member_stride = sizeof(lectern_member);
    room.request_stride = sizeof(lectern_request);
    for (std::uint64_t* value : {&room.version, &room.epoch, &room.holder}) *value = from.number<std::uint64_t>();
    room.now_ms = from.number<std::int64_t>();
    room.since_ms = from.number<std::int64_t>();
    room.n_members = from.number<std::uint32_t>();
    members.resize(room.n_members);
    for (lectern_member& m : members) {
      m.id = from.number<std::uint64_t>();
      for (std::uint32_t* value : {&m.presence, &m.scope, &m.caps, &m.flags}) *value = from.number<std::uint32_t>();
      m.grant = from.number<std::uint64_t>();
      for (std::int64_t* value : {&m.joined_ms, &m.seen_ms, &m.edited_ms, &m.reserved_until_ms, &m.scope_until_ms})
        *value = from.number<std::int64_t>();
      for (lectern_str* text : {&m.principal, &m.label, &m.device}) *text = from.abi_text();
    }
    room.n_requests = from.number<std::uint32_t>();
    requests.resize(room.n_requests);
    for (lectern_request& r : requests) {
      for (std::uint64_t* value : {&r.id, &r.from, &r.asked, &r.if_epoch}) *value = from.number<std::uint64_t>();
      r.at_ms = from.number<std::int64_t>();
      r.deadline_ms = from.number<std::int64_t>();
      r.reason = from.abi_text();
    }
    room.members = members.data();
    room.requests = requests.data();
  }

  Socket socket_;
  std::unique_ptr<plugin::Generation> generation_;
  lectern_format format_{};
  lectern_policy policy_{};
  std::map<std::uint64_t, void*> objects_;
};

}  // namespace

int serve(int fd) {
  const int code = Server(fd).run();
  ::_exit(code);  // no exit handlers: the plugin's may do anything
}

}  // namespace lectern::isolation
