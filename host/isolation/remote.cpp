#include "isolation/remote.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace lectern::isolation {

namespace {

constexpr std::int64_t first_rest_ms = 200, longest_rest_ms = 30'000, forgiven_after_ms = 60'000;
constexpr std::size_t most_cells_at_once = 1024;
constexpr int format_patience_ms = 2000;
constexpr Deadline to_probe{2000, 10'000};
constexpr Deadline to_create{5000, 20'000};
// Past the 50 ms of a decision the referee has long given up; what matters here is that a busy machine kills nobody.
constexpr Deadline to_reduce{250, 2000};

Deadline to_format(std::size_t bytes) {
  const int soft = 10'000 + static_cast<int>(bytes / 10'000);  // 10 s, and a second for each 10 MB
  return {soft, soft * 3};
}

template <std::size_t N>
void put(char (&to)[N], std::string_view from) {
  const auto n = std::min(from.size(), N - 1);
  std::memcpy(to, from.data(), n);
  to[n] = '\0';
}

lectern_str abi(std::string_view text) {
  return {text.data(), text.size()};
}

Packer request(Op op) {
  Packer to;
  to.number(op);
  return to;
}

void pack_cell(Packer& to, const lectern_cell& cell) {
  to.number(cell.changed);
  to.number(cell.execution_count);
  for (const lectern_str text :
       {cell.id, cell.cell_type, cell.source, cell.metadata, cell.attachments, cell.outputs, cell.original})
    to.text(text);
}

/// Hands a batch of what a format read to the builder. What makes no sense is a batch the builder refuses.
lectern_status replay_read(std::string_view records, std::string_view file, const lectern_notebook_builder& out) {
  Unpacker from(records);
  std::vector<lectern_cell> cells;
  lectern_status status = LECTERN_OK;
  const auto hand_over = [&] {
    if (cells.empty() || status != LECTERN_OK) return;
    status = out.cells(out.ctx, cells.data(), sizeof(lectern_cell), static_cast<std::uint32_t>(cells.size()));
    cells.clear();
  };
  while (from.ok() && !from.empty() && status == LECTERN_OK) {
    switch (from.number<Record>()) {
      case Record::cells: {
        lectern_cell cell{};
        cell.struct_size = sizeof cell;
        cell.changed = from.number<std::uint32_t>();
        cell.execution_count = from.number<std::int64_t>();
        for (lectern_str* text : {&cell.id, &cell.cell_type, &cell.source, &cell.metadata, &cell.attachments,
                                  &cell.outputs, &cell.original})
          *text = from.abi_text(file);
        if (from.ok()) cells.push_back(cell);
        if (cells.size() >= most_cells_at_once) hand_over();
        break;
      }
      case Record::bad_cells:
        hand_over();
        if (status == LECTERN_OK) status = out.cells(out.ctx, nullptr, from.number<std::uint32_t>(), 1);
        break;
      case Record::notebook: {
        hand_over();
        lectern_notebook notebook{};
        notebook.struct_size = sizeof notebook;
        const bool there = from.number<std::uint8_t>() != 0;
        notebook.changed = from.number<std::uint32_t>();
        for (lectern_str* text : {&notebook.metadata, &notebook.original, &notebook.language})
          *text = from.abi_text(file);
        if (from.ok() && status == LECTERN_OK) status = out.notebook(out.ctx, there ? &notebook : nullptr);
        break;
      }
      case Record::notice: {
        hand_over();
        const auto said = from.abi_text();
        if (from.ok() && status == LECTERN_OK) status = out.notice(out.ctx, said);
        break;
      }
      default:
        return out.cells(out.ctx, nullptr, 0, 1);
    }
  }
  hand_over();
  if (!from.ok()) return out.cells(out.ctx, nullptr, 0, 1);
  return status;
}

lectern_status replay_bytes(std::string_view records, const lectern_sink& out) {
  Unpacker from(records);
  lectern_status status = LECTERN_OK;
  while (from.ok() && !from.empty() && status == LECTERN_OK) {
    if (from.number<Record>() != Record::bytes) return LECTERN_INTERNAL;
    const auto bytes = from.abi_text();
    if (from.ok()) status = out.write(out.ctx, bytes);
  }
  return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
}

lectern_status replay_effects(std::string_view records, const lectern_policy_out& out) {
  Unpacker from(records);
  lectern_status status = LECTERN_OK;
  while (from.ok() && !from.empty() && status == LECTERN_OK) {
    const auto kind = from.number<Record>();
    if (kind == Record::state) {
      const auto state = from.abi_text();
      if (from.ok()) status = out.state(out.ctx, state);
      continue;
    }
    if (kind != Record::effect) return LECTERN_INTERNAL;
    const bool there = from.number<std::uint8_t>() != 0;
    lectern_effect effect{};
    effect.struct_size = from.number<std::uint32_t>();
    effect.kind = from.number<std::uint32_t>();
    effect.caps = from.number<std::uint32_t>();
    effect.verdict = from.number<std::uint32_t>();
    effect.target = from.number<std::uint64_t>();
    effect.request = from.number<std::uint64_t>();
    effect.timer = from.number<std::uint64_t>();
    effect.at_ms = from.number<std::int64_t>();
    effect.text = from.abi_text();
    if (from.ok()) status = out.effect(out.ctx, there ? &effect : nullptr);
  }
  return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
}

void pack_room(Packer& to, const lectern_room& room) {
  for (const std::uint64_t value : {room.version, room.epoch, room.holder}) to.number(value);
  to.number(room.now_ms);
  to.number(room.since_ms);
  to.number(room.n_members);
  for (std::uint32_t i = 0; i < room.n_members; ++i) {
    const lectern_member& m = room.members[i];
    to.number(m.id);
    for (const std::uint32_t value : {m.presence, m.scope, m.caps, m.flags}) to.number(value);
    to.number(m.grant);
    for (const std::int64_t value : {m.joined_ms, m.seen_ms, m.edited_ms, m.reserved_until_ms, m.scope_until_ms})
      to.number(value);
    for (const lectern_str text : {m.principal, m.label, m.device}) to.text(text);
  }
  to.number(room.n_requests);
  for (std::uint32_t i = 0; i < room.n_requests; ++i) {
    const lectern_request& r = room.requests[i];
    for (const std::uint64_t value : {r.id, r.from, r.asked, r.if_epoch}) to.number(value);
    to.number(r.at_ms);
    to.number(r.deadline_ms);
    to.text(r.reason);
  }
}

void pack_event(Packer& to, const lectern_event& event) {
  to.number(event.kind);
  to.number(event.value);
  for (const std::uint64_t value : {event.seq, event.who, event.target, event.request, event.timer}) to.number(value);
  to.text(event.verb);
  to.text(event.json);
}

}  // namespace

Remote::Remote(Launch launch) : launch_(std::move(launch)) {}
Remote::~Remote() = default;

bool Remote::can(std::string_view kind) {
  return kind == "format" || kind == "policy";
}

Result<std::unique_ptr<Remote>> Remote::start(Launch launch) {
  std::unique_ptr<Remote> made(new Remote(std::move(launch)));
  LECTERN_TRY(made->process_, Process::start(made->launch_));
  LECTERN_CHECK(made->take_ready(made->process_->ready()));
  made->report_.pid = made->process_->pid();
  return made;
}

Status Remote::take_ready(const std::string& ready) {
  Unpacker from(ready);
  build_ = text::label(from.text(), 400);
  if (launch_.kind == "format") {
    const auto n = from.number<std::uint32_t>();
    for (std::uint32_t i = 0; i < n && i < 64 && from.ok(); ++i) extensions_.push_back(text::label(from.text(), 64));
    for (const auto& extension : extensions_) {
      if (extension.empty() || extension.front() != '.')
        return fail(422, "bad_entry", launch_.id + " declares an extension that does not start with a dot");
      extension_texts_.push_back(abi(extension));
    }
    format_.struct_size = sizeof format_;
    format_.n_extensions = static_cast<std::uint32_t>(extension_texts_.size());
    format_.extensions = extension_texts_.data();
  } else {
    policy_.struct_size = sizeof policy_;
    policy_.flags = from.number<std::uint32_t>();
    schema_ = from.text().substr(0, 256);
    actions_ = from.text().substr(0, 64u << 10);
    policy_.state_schema = abi(schema_);
    policy_.actions_json = abi(actions_);
  }
  config_schema_ = from.text().substr(0, 64u << 10);
  if (!from.ok() || (launch_.kind == "format" && extensions_.empty()))
    return fail(422, "bad_entry", launch_.id + " announced what makes no sense");
  return {};
}

const void* Remote::interface() const {
  if (launch_.kind == "format") return &format_;
  return &policy_;
}

// A rest grows with each death in a row, so that a plugin that dies at once does not keep the machine busy dying.
void Remote::buried(const Error& error) {
  process_.reset();
  const std::scoped_lock lock(mutex_);
  const auto now = clock::now_ms();
  deaths_ = now - died_ms_ > forgiven_after_ms ? 1 : deaths_ + 1;
  died_ms_ = now;
  const auto doublings = std::min<std::uint64_t>(deaths_ < 2 ? 0 : deaths_ - 2, 10);
  rests_until_ms_ = deaths_ < 2 ? now : now + std::min(longest_rest_ms, first_rest_ms << doublings);
  report_.pid = 0;
  report_.last_death = error.message;
  log::debug("plugin " + launch_.id, error.message);
}

Status Remote::wake(int patience_ms) {
  if (process_ && process_->alive()) return {};
  for (const auto give_up_ms = clock::now_ms() + patience_ms;;) {
    std::int64_t rest = 0;
    {
      const std::scoped_lock lock(mutex_);
      rest = rests_until_ms_ - clock::now_ms();
      if (rest > 0 && clock::now_ms() + rest > give_up_ms) {
        return fail(503, "plugin_resting",
                    "its process died " + std::to_string(deaths_) + " times in a row and is started again in " +
                        std::to_string(rest) + " ms; the last time, " + report_.last_death,
                    "This is a fault of the plugin " + launch_.id + ".");
      }
    }
    if (rest <= 0) break;
    std::mutex nobodys;
    std::unique_lock lock(nobodys);
    std::condition_variable().wait_for(lock, std::chrono::milliseconds(rest));
  }
  auto started = Process::start(launch_);
  if (!started) {
    buried(started.error());
    return fail(started.error());
  }
  process_ = std::move(*started);
  for (auto& [number, object] : objects_) LECTERN_CHECK(make_again(number, object));
  const std::scoped_lock lock(mutex_);
  report_.pid = process_->pid();
  report_.restarts += 1;
  return {};
}

// An error only when the process is gone. A refusal is this object's alone: the others are made all the same.
Status Remote::make_again(std::uint64_t number, Object& object) {
  Packer to = request(Op::policy_create);
  to.number(number);
  to.text(std::string_view(object.config));
  auto done = process_->call(to.bytes(), {}, to_create, most_small, [](std::string_view) { return LECTERN_INTERNAL; });
  if (!done) buried(done.error());
  LECTERN_CHECK(done);
  Unpacker from(*done);
  lectern_error error{};
  object.refusal.clear();
  if (unpack_end(from, error) == LECTERN_OK) return {};
  const std::string_view said(error.message, ::strnlen(error.message, sizeof error.message));
  object.refusal = "its new process did not take the settings that the old one took";
  if (!said.empty()) object.refusal += ": " + text::label(said, 400);
  log::warning("plugin " + launch_.id, object.refusal);
  return {};
}

Result<std::string> Remote::call(std::string_view request, std::string_view shared, Deadline deadline,
                                 std::uint32_t most_bytes, int patience_ms,
                                 const std::function<lectern_status(std::string_view)>& on_records) {
  clear_up();
  LECTERN_CHECK(wake(patience_ms));
  auto done = process_->call(request, shared, deadline, most_bytes, on_records);
  if (!done && done.error().code == "plugin_died") buried(done.error());
  return done;
}

lectern_status Remote::blame(const Error& error, lectern_error& to) {
  put(to.message, error.message);
  put(to.hint, error.hint);
  if (error.code == "too_large") return LECTERN_TOO_LARGE;
  return error.status == 503 ? LECTERN_UNAVAILABLE : LECTERN_INTERNAL;
}

std::int32_t Remote::probe(std::string_view path, std::string_view head, lectern_error& error, lectern_status& status) {
  const std::scoped_lock lock(busy_);
  Packer to = request(Op::format_probe);
  to.text(path);
  to.text(head);
  const auto done =
      call(to.bytes(), {}, to_probe, most_small, format_patience_ms, [](std::string_view) { return LECTERN_INTERNAL; });
  if (!done) {
    status = blame(done.error(), error);
    return 0;
  }
  Unpacker from(*done);
  status = unpack_end(from, error);
  return status == LECTERN_OK ? from.number<std::int32_t>() : 0;
}

lectern_status Remote::read(std::string_view bytes, const lectern_format_limits& limits,
                            const lectern_notebook_builder& out, lectern_error& error) {
  const std::scoped_lock lock(busy_);
  Packer to = request(Op::format_read);
  to.number(limits.max_depth);
  for (const std::uint64_t value : {limits.max_bytes, limits.max_cells, limits.max_source_bytes}) to.number(value);
  lectern_status said = LECTERN_OK;
  const auto replay = [&](std::string_view records) {
    if (said == LECTERN_OK) said = replay_read(records, bytes, out);
    return said;
  };
  const auto done = call(to.bytes(), bytes, to_format(bytes.size()), most_from_child, format_patience_ms, replay);
  if (!done) return blame(done.error(), error);
  Unpacker from(*done);
  const auto status = unpack_end(from, error);
  const auto last = from.ok() ? replay(from.rest()) : lectern_status{LECTERN_INTERNAL};
  return status == LECTERN_OK ? last : status;
}

lectern_status Remote::write(const lectern_notebook& notebook, const lectern_sink& out, lectern_error& error) {
  const std::scoped_lock lock(busy_);
  Packer to = request(Op::format_write);
  to.number(notebook.changed);
  for (const lectern_str text : {notebook.metadata, notebook.original, notebook.language}) to.text(text);
  to.number(notebook.n_cells);
  for (std::uint32_t i = 0; i < notebook.n_cells; ++i) pack_cell(to, notebook.cells[i]);
  lectern_status said = LECTERN_OK;
  const auto replay = [&](std::string_view records) {
    if (said == LECTERN_OK) said = replay_bytes(records, out);
    return said;
  };
  const auto done = call(to.bytes(), {}, to_format(to.size()), most_from_child, format_patience_ms, replay);
  if (!done) return blame(done.error(), error);
  Unpacker from(*done);
  const auto status = unpack_end(from, error);
  const auto last = from.ok() ? replay(from.rest()) : lectern_status{LECTERN_INTERNAL};
  return status == LECTERN_OK ? last : status;
}

lectern_status Remote::create(std::string_view config, std::uint64_t& object, lectern_error& error) {
  const std::scoped_lock lock(busy_);
  const auto number = next_object_++;
  Packer to = request(Op::policy_create);
  to.number(number);
  to.text(config);
  const auto done = call(to.bytes(), {}, to_create, most_small, 0, [](std::string_view) { return LECTERN_INTERNAL; });
  if (!done) return blame(done.error(), error);
  Unpacker from(*done);
  const auto status = unpack_end(from, error);
  if (status != LECTERN_OK) return status;
  objects_[number] = {std::string(config), {}};
  object = number;
  return LECTERN_OK;
}

void Remote::destroy(std::uint64_t object) {
  const std::scoped_lock lock(mutex_);
  unwanted_.push_back(object);
}

// Needs busy_. A reactor may let a policy go, so that must never wait for a child: the child hears of it later.
void Remote::clear_up() {
  std::vector<std::uint64_t> objects;
  {
    const std::scoped_lock lock(mutex_);
    objects.swap(unwanted_);
  }
  for (const auto object : objects) {
    objects_.erase(object);
    if (!process_ || !process_->alive()) continue;
    Packer to = request(Op::policy_destroy);
    to.number(object);
    const auto done =
        process_->call(to.bytes(), {}, to_create, most_small, [](std::string_view) { return LECTERN_INTERNAL; });
    if (!done) buried(done.error());
  }
}

lectern_status Remote::reduce(std::uint64_t object, lectern_str state, const lectern_room& room,
                              const lectern_event& event, const lectern_policy_out& out) {
  const std::scoped_lock lock(busy_);
  clear_up();
  if (const auto awake = wake(0); !awake) return blame(awake.error(), *out.error);
  const auto at = objects_.find(object);
  if (at == objects_.end() || !at->second.refusal.empty()) {
    const std::string why = at == objects_.end() ? "it was let go of" : at->second.refusal;
    return blame({500, "plugin_died", why, "This is a fault of the plugin " + launch_.id + ".", {}}, *out.error);
  }
  Packer to = request(Op::policy_reduce);
  to.number(object);
  to.text(state);
  pack_event(to, event);
  pack_room(to, room);
  lectern_status said = LECTERN_OK;
  const auto replay = [&](std::string_view records) {
    if (said == LECTERN_OK) said = replay_effects(records, out);
    return said;
  };
  const auto done = call(to.bytes(), {}, to_reduce, most_small, 0, replay);
  if (!done) return blame(done.error(), *out.error);
  Unpacker from(*done);
  const auto status = unpack_end(from, *out.error);
  const auto last = from.ok() ? replay(from.rest()) : lectern_status{LECTERN_INTERNAL};
  return status == LECTERN_OK ? last : status;
}

Status probe(Launch launch) {
  launch.sandbox = launch.sandbox && Remote::can(launch.kind);
  const auto died = [&](const Error& error) {
    return fail(422, "probe_failed",
                launch.id + " was tried in a process of its own before it is loaded, and failed: " + error.message,
                "What was loaded before goes on; mend the plugin.");
  };
  auto process = Process::start(launch);
  if (!process && process.error().code == "plugin_died") return died(process.error());
  if (!process || launch.kind != "policy") return {};
  for (const Op op : {Op::policy_create, Op::policy_destroy}) {
    Packer to = request(op);
    to.number<std::uint64_t>(1);
    if (op == Op::policy_create) to.text(std::string_view("{}"));
    const auto done =
        (*process)->call(to.bytes(), {}, to_create, most_small, [](std::string_view) { return LECTERN_INTERNAL; });
    if (!done) return died(done.error());
  }
  return {};
}

std::string Remote::beat() {
  const std::unique_lock lock(busy_, std::try_to_lock);
  if (!lock || !process_ || !process_->alive()) return {};
  clear_up();
  if (!process_) return {};
  const auto alive = process_->ping(5000);
  if (alive) return {};
  buried(alive.error());
  return alive.error().message;
}

RemoteReport Remote::report() const {
  RemoteReport out;
  {
    const std::scoped_lock lock(mutex_);
    out = report_;
  }
  if (out.pid != 0) out.memory_bytes = resident_bytes(out.pid);
  return out;
}

}  // namespace lectern::isolation
