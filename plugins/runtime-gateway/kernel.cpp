#include "kernel.hpp"

#include <algorithm>
#include <utility>

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"

namespace gateway {
namespace json = lectern::sdk::json;
namespace {

using net::Milliseconds;

constexpr Milliseconds first_backoff{100}, longest_backoff{2'000};
constexpr Milliseconds ask_again{150};       // kernel_info, until its answer and its echo are heard
constexpr Milliseconds no_word_for{10'000};  // of a line that opened: another one is tried
constexpr Milliseconds quiet_kernel{2'000};  // a kernel that computes answers nothing; its line is good all the same
constexpr Milliseconds new_process{500};     // the gateway says that it restarts one before it has
constexpr Milliseconds watch_every{1'000};
constexpr Milliseconds to_end{5'000};
constexpr std::size_t most_waiting = 16u << 20;  // bytes kept while there is no line

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Kernel::Kernel(std::uint64_t number, Spec spec, std::string environment, Keep keep, lectern::sdk::RuntimeEvents events)
    : number_(number),
      spec_(std::move(spec)),
      environment_(std::move(environment)),
      keep_(std::move(keep)),
      server_(spec_.server),
      talk_(number, events),
      again_(server_->io()),
      listening_(server_->io()),
      watching_(server_->io()) {}

// -- its life at the gateway

void Kernel::start() {
  talk_.state(LECTERN_KERNEL_STARTING);
  std::exchange(keep_.take_up, false) ? take_up() : create();
}

/// As after a line that was cut: the gateway may have kept what was said meanwhile.
void Kernel::take_up() {
  try {
    const auto kept = read_kept(keep_.folder);
    if (!is_id(kept.id)) return dead("what is written down of it is not whole");
    id_ = kept.id;
    session_ = kept.session;
  } catch (const lectern::sdk::Failure& problem) {
    return dead(problem.what());
  }
  phase_ = Phase::lost;
  written_ = taken_up_ = true;
  talk_.go_on(session_, keep_.running, keep_.life << 32, std::move(keep_.comms));
  look_for_it();
}

void Kernel::write_down() {
  if (keep_.folder.empty()) return;
  const auto problem = write_kept(keep_.folder, {server_->authority(), id_, session_, spec_.remote, spec_.language});
  written_ = !problem;
  if (problem) lectern::sdk::log_warning("a kernel at a gateway ends with the host: " + *problem);
}

void Kernel::up(bool computes) {
  talk_.state(LECTERN_KERNEL_IDLE, {}, talk_.info(), written_ ? R"({"kept":true})" : "");
  if (computes) talk_.state(LECTERN_KERNEL_BUSY);
}

void Kernel::create() {
  ++life_;
  phase_ = Phase::creating;
  id_.clear();
  begun_ = Clock::now();
  auto body = "{\"name\":" + json::quoted(spec_.remote);
  // A Kernel Gateway that is sent variables gives the kernel no others.
  if (environment_ != "{}") body += ",\"env\":" + environment_;
  body += "}";
  ++creating_;
  server_->ask("POST", "/api/kernels", body, server_->options().start_timeout,
               [self = shared_from_this(), life = life_](const net::Answer& answer) {
                 --self->creating_;
                 if (self->life_ == life) return self->created(answer);
                 self->made_for_nobody(answer);
               });
}

/// It was restarted or shut down before the gateway had it.
void Kernel::made_for_nobody(const net::Answer& answer) {
  const auto id = json::text(json::member(answer.body, "id"));
  if (answer.status != 201 || !is_id(id)) return nothing_left();
  server_->ask("DELETE", "/api/kernels/" + id, {}, to_end,
               [self = shared_from_this()](const net::Answer&) { self->nothing_left(); });
}

void Kernel::nothing_left() {
  if (phase_ == Phase::ending && creating_ == 0 && gone_) std::exchange(gone_, {})();
}

void Kernel::created(const net::Answer& answer) {
  const auto id = answer.status == 201 ? json::text(json::member(answer.body, "id")) : std::string();
  if (!is_id(id)) {
    return dead("the kernel " + spec_.remote +
                " was not started: " + (answer.status == 201 ? "the gateway gave it no id" : server_->why(answer)));
  }
  id_ = id;
  phase_ = Phase::starting;
  connect(false);
}

void Kernel::interrupt() {
  if (id_.empty()) return;
  talk_.interrupted();
  server_->ask("POST", "/api/kernels/" + id_ + "/interrupt", "{}", server_->options().request_timeout,
               then([](Kernel& self, const net::Answer& answer) {
                 if (answer.status < 200 || answer.status > 299) {
                   lectern::sdk::log_warning("a kernel could not be interrupted: " + self.server_->why(answer));
                 }
               }));
}

void Kernel::restart() {
  if (phase_ == Phase::ending) return;
  ++life_;
  drop_line();
  talk_.end();
  waiting_.clear();
  outbox_.clear();
  outbox_bytes_ = 0;
  talk_.state(LECTERN_KERNEL_RESTARTING);
  if (id_.empty()) {
    talk_.state(LECTERN_KERNEL_STARTING);
    return create();
  }
  phase_ = Phase::restarting;
  begun_ = Clock::now();
  server_->ask("POST", "/api/kernels/" + id_ + "/restart", "{}", server_->options().start_timeout,
               then([](Kernel& self, const net::Answer& answer) {
                 if (answer.status == 404) {  // culled, or the gateway itself was started anew
                   self.talk_.state(LECTERN_KERNEL_STARTING);
                   return self.create();
                 }
                 if (answer.status != 200) {
                   return self.dead("the kernel could not be restarted: " + self.server_->why(answer));
                 }
                 self.phase_ = Phase::starting;
                 self.talk_.state(LECTERN_KERNEL_STARTING);
                 self.connect(false);
               }));
}

void Kernel::shutdown(std::function<void()> gone) {
  if (phase_ == Phase::ending) return;
  ++life_;
  phase_ = Phase::ending;
  alive = false;
  drop_line();
  talk_.end();
  gone_ = std::move(gone);
  if (id_.empty()) {
    talk_.state(LECTERN_KERNEL_DEAD, "shutdown");
    return nothing_left();
  }
  server_->ask("DELETE", "/api/kernels/" + id_, {}, to_end, [self = shared_from_this()](const net::Answer& answer) {
    if (answer.status != 200 && answer.status != 204 && answer.status != 404) {
      lectern::sdk::log_warning("the kernel " + self->id_ + " may go on: " + self->server_->why(answer));
    }
    self->talk_.state(LECTERN_KERNEL_DEAD, "shutdown");
    self->nothing_left();
  });
}

void Kernel::host_ends(std::function<void()> gone) {
  const bool kept = written_ && !id_.empty() && phase_ != Phase::dead && phase_ != Phase::ending;
  if (!kept) return shutdown(std::move(gone));
  ++life_;
  phase_ = Phase::ending;
  alive = false;
  drop_line();
  talk_.end();
  gone();
}

void Kernel::forget_remote() {
  if (id_.empty()) return;
  // Whatever it is, it serves nobody any more.
  server_->ask("DELETE", "/api/kernels/" + std::exchange(id_, {}), {}, to_end, [](const net::Answer&) {});
}

void Kernel::dead(const std::string& why) {
  ++life_;
  drop_line();
  phase_ = Phase::dead;
  alive = false;
  waiting_.clear();
  outbox_.clear();
  outbox_bytes_ = 0;
  talk_.end();
  talk_.state(LECTERN_KERNEL_DEAD, why);
}

// The gateway watches its processes and starts a dead one again by itself.
void Kernel::died_there(std::string_view state) {
  if (state == "dead") {
    forget_remote();
    return dead("the kernel died, and the gateway could not start it again");
  }
  ++life_;
  drop_line();
  waiting_.clear();
  outbox_.clear();
  outbox_bytes_ = 0;
  talk_.end();
  talk_.state(LECTERN_KERNEL_DEAD, "the kernel died; the gateway starts it again");
  phase_ = Phase::starting;
  begun_ = Clock::now();
  again_.start(new_process, [this] {
    talk_.state(LECTERN_KERNEL_STARTING);
    connect(false);
  });
}

// -- the line

void Kernel::connect(bool same_session) {
  drop_line();
  if (!same_session || session_.empty()) {
    session_ = new_session();
    // A new session at the same process keeps our message ids; a new process has new ones.
    if (phase_ == Phase::starting) talk_.begin(session_);
    write_down();
  }
  const auto on_self = [weak = weak_from_this(), line = ++line_no_](auto work) {
    return [weak, line, work](auto&&... what) {
      const auto self = weak.lock();
      if (self && self->line_no_ == line) work(*self, what...);
    };
  };
  net::WebSocket::Handlers handlers;
  handlers.opened = on_self([](Kernel& self, const std::string& spoken) { self.opened(spoken); });
  handlers.message = on_self([](Kernel& self, std::string_view bytes, bool text) { self.received(bytes, text); });
  handlers.closed = on_self([](Kernel& self, const net::Answer& how) { self.line_closed(how); });
  line_ = server_->channels(id_, session_, std::move(handlers));
}

void Kernel::drop_line() {
  ++line_no_;
  line_open_ = false;
  if (line_) std::exchange(line_, nullptr)->cut();
  again_.cancel();
  listening_.cancel();
  watching_.cancel();
}

void Kernel::opened(const std::string& subprotocol) {
  v1_ = subprotocol == v1_protocol;
  opened_at_ = Clock::now();
  talk_.listen_again();
  listen();
}

/// A server drops what comes before its own line to the kernel stands, and cannot say when that is: so it is asked
/// until an answer comes.
void Kernel::listen() {
  const auto waited = Clock::now() - opened_at_;
  if (phase_ == Phase::lost && waited > quiet_kernel) return heard();
  if (phase_ == Phase::starting) {
    if (Clock::now() - begun_ > server_->options().start_timeout) {
      forget_remote();
      return dead("the kernel did not answer within " +
                  std::to_string(server_->options().start_timeout.count() / 1000) + " s");
    }
    if (waited > no_word_for) return connect(false);
  }
  ask_info("shell");
  if (phase_ == Phase::lost) ask_info("control");  // which a kernel that computes may still answer
  listening_.start(ask_again, [this] { listen(); });
}

void Kernel::ask_info(std::string channel) {
  write({std::move(channel), header("kernel_info_request", talk_.next_id(), session_), {}, {}, "{}", {}});
}

void Kernel::received(std::string_view bytes, bool text) {
  const auto incoming = decode(bytes, text, v1_);
  if (!incoming) return;
  const auto& message = incoming->message;
  const auto line = line_no_;
  if (incoming->channel == "iopub") {
    if (message.type == "status" && message.parent_id.empty()) {
      const auto said = json::text(json::member(message.content, "execution_state"));
      if (said == "restarting" || said == "autorestarting" || said == "dead") return died_there(said);
    }
    // What a process says while it comes up is no cell's.
    const bool of_start = phase_ == Phase::starting && message.parent_id.empty();
    if (!of_start) talk_.on_iopub(message);
  } else if (incoming->channel == "shell") {
    talk_.on_shell(message);
  } else if (incoming->channel == "stdin") {
    talk_.on_input(message);
  }
  if (line_no_ != line) return;
  if (!line_open_ && (phase_ == Phase::lost || talk_.heard())) heard();
}

/// The line stands in both directions.
void Kernel::heard() {
  if (line_open_) return;
  line_open_ = true;
  backoff_ = {};
  listening_.cancel();
  if (phase_ == Phase::starting) {
    become_ready();
  } else if (phase_ == Phase::lost) {
    phase_ = Phase::ready;
    std::exchange(taken_up_, false) ? up(talk_.busy())
                                    : talk_.state(talk_.busy() ? LECTERN_KERNEL_BUSY : LECTERN_KERNEL_IDLE);
    if (const auto fence = talk_.fence(); !fence.empty()) {
      write({"shell", header("kernel_info_request", fence, session_), {}, {}, "{}", {}});
    }
  }
  outbox_bytes_ = 0;
  for (const auto& message : std::exchange(outbox_, {})) write(message);
  for (auto& queued : std::exchange(waiting_, {})) execute(queued.execution, std::move(queued.code), queued.flags);
  watch_runs();
}

void Kernel::become_ready() {
  phase_ = Phase::ready;
  alive = true;
  up(false);
}

void Kernel::watch_runs() {
  const auto probes = talk_.probes(now_ms());
  for (const auto& id : probes.control) {
    write({"control", header("kernel_info_request", id, session_), {}, {}, "{}", {}});
  }
  for (const auto& id : probes.shell) {
    write({"shell", header("kernel_info_request", id, session_), {}, {}, "{}", {}});
  }
  watching_.start(watch_every, [this] { watch_runs(); });
}

void Kernel::line_closed(const net::Answer& how) {
  line_.reset();
  drop_line();
  // What is too large once would come again with everything else of this session.
  fresh_session_next_ = how.problem.find("message size") != std::string::npos;
  if (phase_ == Phase::ready) {
    phase_ = Phase::lost;
    talk_.state(LECTERN_KERNEL_UNREACHABLE, server_->why(how) + "; it is tried again");
  }
  if (how.status == 404) return dead("the gateway ended this kernel, or was started anew");
  come_back_later(server_->why(how));
}

void Kernel::come_back_later(const std::string& why) {
  if (phase_ == Phase::starting && Clock::now() - begun_ > server_->options().start_timeout) {
    forget_remote();
    return dead("the kernel could not be spoken to: " + why);
  }
  backoff_ = std::clamp(backoff_ * 2, first_backoff, longest_backoff);
  again_.start(backoff_, [this] { look_for_it(); });
}

/// Before a new line: a gateway that was started anew does not know the kernel any more.
void Kernel::look_for_it() {
  server_->ask("GET", "/api/kernels/" + id_, {}, server_->options().request_timeout,
               then([](Kernel& self, const net::Answer& answer) {
                 if (self.phase_ != Phase::lost && self.phase_ != Phase::starting) return;
                 if (answer.status == 404) {
                   self.id_.clear();
                   return self.dead("the gateway ended this kernel, or was started anew");
                 }
                 if (answer.status != 200) {
                   const auto why = self.server_->why(answer);
                   if (self.taken_up_) self.talk_.state(LECTERN_KERNEL_UNREACHABLE, why + "; it is tried again");
                   return self.come_back_later(why);
                 }
                 self.connect(self.phase_ == Phase::lost && !std::exchange(self.fresh_session_next_, false));
               }));
}

// -- what it is told

void Kernel::send(std::string channel, std::string_view type, const std::string& id, std::string content,
                  std::string parent, std::string metadata, std::vector<std::string> buffers) {
  Outgoing message{std::move(channel),  header(type, id, session_), std::move(parent),
                   std::move(metadata), std::move(content),         std::move(buffers)};
  if (line_open_) return write(message);
  std::size_t bytes = message.content.size();
  for (const auto& buffer : message.buffers) bytes += buffer.size();
  if (outbox_bytes_ + bytes > most_waiting) {
    return lectern::sdk::log_warning("a message to a kernel that is out of reach was dropped: too many wait");
  }
  outbox_bytes_ += bytes;
  outbox_.push_back(std::move(message));
}

void Kernel::write(const Outgoing& message) {
  if (!line_) return;
  auto frame = encode(message, v1_);
  line_->send(std::move(frame.bytes), frame.text);
}

void Kernel::execute(std::uint64_t execution, std::string code, std::uint32_t flags) {
  if (phase_ == Phase::dead || phase_ == Phase::ending) return;
  if (!line_open_) return waiting_.push_back({execution, std::move(code), flags});
  auto content = talk_.begin_run(execution, code, flags);
  send("shell", "execute_request", talk_.id('x', std::to_string(execution)), std::move(content));
}

void Kernel::input(std::string_view value) {
  auto parent = talk_.answer_input();
  if (parent.empty()) return;
  send("stdin", "input_reply", talk_.next_id(), jupyter::Conversation::input_content(value), std::move(parent));
}

void Kernel::request(std::uint64_t request, std::string_view kind, std::string content) {
  send("shell", std::string(kind) + "_request", talk_.id('r', std::to_string(request)), std::move(content));
}

void Kernel::question(std::uint64_t request, std::string content) {
  send("shell", "execute_request", talk_.id('q', std::to_string(request)), std::move(content));
}

void Kernel::comm(const jupyter::CommCopy& message) {
  send("shell", "comm_" + message.kind, talk_.id('c', message.comm_id), jupyter::Conversation::comm_content(message),
       {}, message.metadata, message.buffers);
}

}  // namespace gateway
