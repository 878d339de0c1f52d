#include "isolation/remote.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "isolation/seats.hpp"

namespace lectern::isolation {

namespace {

constexpr std::int64_t idle_ms = 60'000;
constexpr Deadline to_create{5000, 20'000};
constexpr Deadline to_check_health{1000, 10'000};

lectern_str abi(std::string_view text) {
  return {text.data(), text.size()};
}

HealthSaid read_health(const Result<std::string>& done) {
  if (!done) return {2, "its process is not running: " + text::label(done.error().message, 400), {}};
  Unpacker from(*done);
  lectern_error error{};
  const auto status = unpack_end(from, error);
  HealthSaid said;
  said.state = from.number<std::int32_t>();
  said.summary = from.text().substr(0, 2048);
  said.details = from.text().substr(0, 16u << 10);
  if (status != LECTERN_OK || !from.ok()) return {2, "it could not say how it is", {}};
  return said;
}

HealthSaid ask_health(Child& child) {
  return read_health(child.call(request(Op::health).bytes(), to_check_health));
}

bool is_live(std::string_view kind) {
  return kind == "transport" || kind == "runtime";
}

Op make_op(std::string_view kind) {
  return kind == "presence" ? Op::presence_open : Op::policy_create;
}

}  // namespace

Remote::Remote(Launch launch, NewsSink on_news)
    : launch_(std::move(launch)), on_news_(std::move(on_news)), lives_(launch_.id) {}
Remote::~Remote() = default;

std::shared_ptr<Remote::Seat> Remote::new_seat(const Launch& launch) {
  return std::make_shared<Seat>(launch, make_op(launch.kind), lives_, on_news_);
}

Result<std::unique_ptr<Remote>> Remote::start(Launch launch, NewsSink on_news) {
  std::unique_ptr<Remote> made(new Remote(std::move(launch), std::move(on_news)));
  auto seat = made->new_seat(made->launch_);
  LECTERN_TRY(const auto ready, seat->child.start());
  LECTERN_CHECK(made->take_ready(ready));
  // Of a presence backend it is asked for what holds without an object: where that may write, its settings say.
  if (is_live(made->launch_.kind)) return made;
  if (made->launch_.kind != "presence") {
    made->seats_.push_back(std::move(seat));
  } else if (made->has_health_) {
    made->last_health_ = ask_health(seat->child);
  }
  return made;
}

Status Remote::take_ready(std::string_view ready) {
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
  } else if (launch_.kind == "transport") {
    LECTERN_CHECK(take_bindings(from));
  } else if (launch_.kind == "runtime") {
    (void)from.number<std::int32_t>();  // the process that was asked
    runtime_.struct_size = sizeof runtime_;
  } else if (launch_.kind == "presence") {
    presence_.struct_size = sizeof presence_;
    presence_.lag_ms = from.number<std::uint64_t>();
    presence_.min_period_ms = from.number<std::uint64_t>();
  } else {
    policy_.struct_size = sizeof policy_;
    policy_.flags = from.number<std::uint32_t>();
    schema_ = from.text().substr(0, 256);
    actions_ = from.text().substr(0, 64u << 10);
    policy_.state_schema = abi(schema_);
    policy_.actions_json = abi(actions_);
  }
  config_schema_ = from.text().substr(0, 64u << 10);
  has_health_ = from.number<std::uint8_t>() != 0;
  if (!from.ok() || (launch_.kind == "format" && extensions_.empty()))
    return fail(422, "bad_entry", launch_.id + " announced what makes no sense");
  return {};
}

Status Remote::take_bindings(Unpacker& from) {
  constexpr std::uint32_t most = 64;
  const auto n = from.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < n && i < most && from.ok(); ++i) {
    lectern_binding binding{};
    binding.struct_size = sizeof binding;
    binding.carrier = from.number<std::uint32_t>();
    auto& [route, name] = binding_texts_.emplace_back();
    route = text::label(from.text(), 64);
    name = text::label(from.text(), 128);
    bindings_.push_back(binding);
  }
  if (!from.ok() || bindings_.empty()) return fail(422, "bad_entry", launch_.id + " announced what makes no sense");
  for (std::size_t i = 0; i < bindings_.size(); ++i) {
    bindings_[i].route = abi(binding_texts_[i].first);
    bindings_[i].name = abi(binding_texts_[i].second);
  }
  transport_.struct_size = sizeof transport_;
  transport_.n_bindings = static_cast<std::uint32_t>(bindings_.size());
  transport_.bindings = bindings_.data();
  return {};
}

const void* Remote::interface() const {
  if (launch_.kind == "transport") return &transport_;
  if (launch_.kind == "runtime") return &runtime_;
  if (launch_.kind == "format") return &format_;
  if (launch_.kind == "presence") return &presence_;
  return &policy_;
}

Remote::Turn::~Turn() {
  if (seat_ == nullptr) return;
  {
    const std::scoped_lock lock(of_->mutex_);
    seat_->busy = false;
  }
  of_->freed_.notify_all();
}

// A process that runs before one that would have to be started; a new one only when all are at work.
Remote::Turn Remote::any_turn() {
  std::unique_lock lock(mutex_);
  const std::size_t most = launch_.kind == "format" ? most_of_a_format : 1;
  for (;;) {
    std::shared_ptr<Seat> free;
    for (const auto& seat : seats_) {
      if (seat->trial || seat->object != 0) continue;
      if (!seat->busy && (free == nullptr || (seat->child.runs() && !free->child.runs()))) free = seat;
    }
    const auto common =
        std::count_if(seats_.begin(), seats_.end(), [](const auto& seat) { return !seat->trial && seat->object == 0; });
    if (free == nullptr && static_cast<std::size_t>(common) < most) free = seats_.emplace_back(new_seat(launch_));
    if (free != nullptr) {
      free->busy = true;
      free->used_ms = clock::now_ms();
      return {*this, std::move(free)};
    }
    freed_.wait(lock);
  }
}

Remote::Turn Remote::turn_of(std::uint64_t object) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto at =
        std::find_if(seats_.begin(), seats_.end(), [object](const auto& seat) { return seat->object == object; });
    if (at == seats_.end()) return {*this, nullptr};
    if (!(*at)->busy) {
      (*at)->busy = true;
      return {*this, *at};
    }
    freed_.wait(lock);
  }
}

std::vector<std::shared_ptr<Remote::Seat>> Remote::seats() const {
  const std::scoped_lock lock(mutex_);
  return seats_;
}

Remote::Turn Remote::idle_turn(const std::shared_ptr<Seat>& seat) {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(seat->busy, true)) return {*this, nullptr};
  return {*this, seat};
}

// A reactor may let a policy go, so that must never wait for a child: the child hears of it later.
void Remote::clear_up(Child& child) {
  std::vector<std::uint64_t> objects;
  {
    const std::scoped_lock lock(mutex_);
    objects.swap(unwanted_);
  }
  for (const auto object : objects) child.let_go(object, Op::policy_destroy);
}

std::optional<HealthSaid> Remote::health() {
  if (!has_health_) return std::nullopt;
  for (const auto& seat : seats()) {
    const Turn turn = idle_turn(seat);
    if (!turn || !turn->runs()) continue;
    auto said = ask_health(*turn);
    const std::scoped_lock lock(mutex_);
    last_health_ = said;
    return said;
  }
  for (const auto& line : lines()) {
    if (line->pid() == 0) continue;
    auto said = read_health(line->call(call_frame(Op::health)).said);
    const std::scoped_lock lock(mutex_);
    last_health_ = said;
    return said;
  }
  const std::scoped_lock lock(mutex_);
  const bool runs = std::any_of(seats_.begin(), seats_.end(), [](const auto& seat) { return seat->child.pid() != 0; });
  if (runs || (seats_.empty() && lines_.empty())) return last_health_;
  const auto death = lives_.last_death();
  return HealthSaid{2, "its process is not running" + (death.empty() ? death : ": " + text::label(death, 400)), {}};
}

void Remote::ask_news() {
  for (const auto& seat : seats()) {
    if (const Turn turn = idle_turn(seat)) (void)turn->ask_news(to_check_health);
  }
  for (const auto& line : lines()) (void)line->ping();
}

std::vector<std::shared_ptr<Line>> Remote::lines() const {
  std::vector<std::shared_ptr<Line>> out;
  const std::scoped_lock lock(mutex_);
  for (const auto& weak : lines_) {
    if (auto line = weak.lock()) out.push_back(std::move(line));
  }
  return out;
}

std::shared_ptr<Line> Remote::line(Op make, Op unmake, std::string_view config, Line::Plan plan, lectern_status& status,
                                   lectern_error& error) {
  Packer to = call_frame(make);
  to.text(config);
  plan.launch = launch_;
  plan.make = std::move(to.bytes());
  plan.unmake = std::move(call_frame(unmake).bytes());
  auto line = std::make_shared<Line>(std::move(plan), lives_, on_news_);
  const auto begun = line->begin(status, error);
  if (begun) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(lines_, [](const auto& weak) { return weak.expired(); });
    lines_.push_back(line);
    status = LECTERN_OK;
    return line;
  }
  if (status == LECTERN_OK) status = blame(begun.error(), error);
  return nullptr;
}

std::unique_ptr<RemoteTransport> Remote::transport(std::string_view config,
                                                   std::function<void(const std::string& blame)> on_end,
                                                   lectern_status& status, lectern_error& error) {
  Line::Plan plan;
  plan.quick = {launch_.limits.transport_ms, launch_.limits.transport_ms * 5};
  plan.on_end = std::move(on_end);
  auto made = line(Op::transport_create, Op::transport_destroy, config, std::move(plan), status, error);
  return made == nullptr ? nullptr : std::make_unique<RemoteTransport>(std::move(made));
}

std::unique_ptr<RemoteRuntime> Remote::runtime(std::string_view config, RemoteRuntime::Listener listener,
                                               lectern_status& status, lectern_error& error) {
  auto made = std::make_unique<RemoteRuntime>(std::move(listener));
  Line::Plan plan;
  plan.most_bytes = most_event + (1u << 20);
  plan.patience_ms = 2000;  // somebody asked for a kernel: there is nothing else for its process to do
  plan.on_event = [to = made.get()](std::string_view payload, Credit credit) { to->take(payload, std::move(credit)); };
  plan.on_end = [to = made.get()](const std::string& blame) { to->ended(blame); };
  auto begun = line(Op::runtime_create, Op::runtime_destroy, config, std::move(plan), status, error);
  if (begun == nullptr) return nullptr;
  made->use(std::move(begun));
  return made;
}

std::string Remote::beat() {
  std::string blame;
  std::size_t kept = 0;
  for (const auto& seat : seats()) {
    const Turn turn = idle_turn(seat);
    if (!turn) continue;
    std::int64_t used_ms = 0;
    bool unwanted = false, trial = false;
    {
      const std::scoped_lock lock(mutex_);
      used_ms = seat->used_ms;
      unwanted = seat->unwanted;
      trial = seat->trial;
      if (unwanted) std::erase(seats_, seat);
    }
    if (unwanted) {
      turn->put_to_sleep();
      continue;
    }
    if (launch_.kind == "policy" && !trial && seat->object == 0) clear_up(*turn);
    if (turn->runs() && (trial || kept++ > 0) && seat->object == 0 && clock::now_ms() - used_ms > idle_ms) {
      turn->put_to_sleep();
      continue;
    }
    const auto alive = turn->ask_news({launch_.limits.beat_ms, launch_.limits.beat_ms * 4});
    if (!alive) blame = alive.error().message;
  }
  return blame;
}

RemoteReport Remote::report() const {
  RemoteReport out;
  out.restarts = lives_.restarts();
  out.last_death = lives_.last_death();
  const std::scoped_lock lock(mutex_);
  for (const auto& seat : seats_) {
    const auto pid = seat->child.pid();
    if (pid == 0) continue;
    if (out.pid == 0) out.pid = pid;
    out.memory_bytes += resident_bytes(pid);
  }
  for (const auto& weak : lines_) {
    const auto line = weak.lock();
    const auto pid = line == nullptr ? 0 : line->pid();
    if (pid == 0) continue;
    if (out.pid == 0) out.pid = pid;
    out.memory_bytes += resident_bytes(pid);
  }
  return out;
}

Status probe(Launch launch) {
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

}  // namespace lectern::isolation
