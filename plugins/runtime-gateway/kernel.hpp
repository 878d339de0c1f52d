// One kernel at a gateway: its life there by REST, what is said with it on a WebSocket that comes back when it is cut.
// Lives on the I/O thread; only `alive` is read elsewhere.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "../jupyter-messages/conversation.hpp"
#include "frames.hpp"
#include "kept.hpp"
#include "lectern/sdk/runtime.hpp"
#include "server.hpp"
#include "specs.hpp"

namespace gateway {

class Kernel : public std::enable_shared_from_this<Kernel> {
 public:
  /// `environment`: the JSON object of variables the gateway is asked to give the kernel.
  Kernel(std::uint64_t number, Spec spec, std::string environment, Keep keep, lectern::sdk::RuntimeEvents events);

  void start();
  void execute(std::uint64_t execution, std::string code, std::uint32_t flags);
  void interrupt();
  void restart();
  /// Ends it there; `gone` comes once the gateway has said so, or has had the time for it.
  void shutdown(std::function<void()> gone);
  /// The host ends: what is kept goes on there without us, the rest is shut down.
  void host_ends(std::function<void()> gone);
  void input(std::string_view value);
  void request(std::uint64_t request, std::string_view kind, std::string content);
  /// Asks by an execute_request (questions.hpp).
  void question(std::uint64_t request, std::string content);
  /// Of its spec; never changes.
  [[nodiscard]] const std::string& language() const { return spec_.language; }
  void comm(const jupyter::CommCopy& message);

  std::atomic<bool> alive{true};  // false: nothing can be sent to it any more

 private:
  enum class Phase {
    creating,  // the gateway is asked for it
    starting,  // it is there; whether it hears and is heard is not known yet
    ready,
    lost,  // it was ready, and there is no line to it
    restarting,
    dead,
    ending
  };
  struct Queued {
    std::uint64_t execution;
    std::string code;
    std::uint32_t flags;
  };
  using Clock = std::chrono::steady_clock;

  void create();
  void take_up();
  void write_down();
  void up(bool computes);
  void created(const net::Answer& answer);
  void made_for_nobody(const net::Answer& answer);
  void nothing_left();
  void forget_remote();
  // The line.
  void connect(bool same_session);
  void drop_line();
  void opened(const std::string& subprotocol);
  void received(std::string_view bytes, bool text);
  void line_closed(const net::Answer& how);
  void look_for_it();
  void come_back_later(const std::string& why);
  void listen();
  void heard();
  void become_ready();
  void died_there(std::string_view state);
  void dead(const std::string& why);
  void watch_runs();
  /// Sends, or keeps until there is a line.
  void send(std::string channel, std::string_view type, const std::string& id, std::string content,
            std::string parent = {}, std::string metadata = {}, std::vector<std::string> buffers = {});
  void write(const Outgoing& message);
  void ask_info(std::string channel);
  /// Calls `work(self, answer)` unless the kernel went on to another life meanwhile.
  template <class Work>
  auto then(Work work) {
    return [weak = weak_from_this(), life = life_, work](const net::Answer& answer) {
      const auto self = weak.lock();
      if (self && self->life_ == life) work(*self, answer);
    };
  }

  const std::uint64_t number_;
  const Spec spec_;
  const std::string environment_;
  Keep keep_;
  bool written_ = false;   // what the next host needs is known
  bool taken_up_ = false;  // and not heard of yet
  const std::shared_ptr<const Server> server_;
  jupyter::Conversation talk_;
  Phase phase_ = Phase::creating;
  std::string id_;    // at the gateway; empty: there is none
  int creating_ = 0;  // requests for one that are not answered
  std::function<void()> gone_;
  std::uint64_t life_ = 0;     // rises with everything that makes answers on their way void
  std::uint64_t line_no_ = 0;  // of the line; what comes of an older one is for nobody
  std::shared_ptr<net::WebSocket> line_;
  std::string session_;
  bool v1_ = false, line_open_ = false, fresh_session_next_ = false;
  Clock::time_point begun_{}, opened_at_{};
  net::Milliseconds backoff_{};
  net::Timer again_, listening_, watching_;
  std::deque<Queued> waiting_;
  std::deque<Outgoing> outbox_;
  std::size_t outbox_bytes_ = 0;
};

}  // namespace gateway
