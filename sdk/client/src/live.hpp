// What is behind a Session: the connection that comes back, the frames, and who waits for what. Everything [loop] but
// what is marked.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lectern/client/session.hpp"
#include "net.hpp"
#include "pending.hpp"
#include "server.hpp"

namespace lectern::client {

struct Subscription::Entry {
  std::mutex mutex;  // held while it hears
  std::function<void(const Event&)> hear;
  bool alive = true;
};

class Live : public std::enable_shared_from_this<Live> {
 public:
  using Condition = std::function<bool(const View&)>;
  Live(Server server, Options options);  // [any]

  /// Once. `target` and `body` are the question whose answer is the connection info.
  void open(const std::string& target, const Json& body, Callback<void> opened);
  void close(std::function<void()> done);

  void command(std::string name, Json body, Callback<Json> done);
  void wait_for(Condition condition, std::optional<Milliseconds> timeout, Callback<void> done);
  void confirm_sync(Callback<std::uint64_t> done);
  void execute(const std::vector<std::string>& cell_ids, std::optional<Milliseconds> timeout,
               Callback<std::vector<Execution>> done);
  void takeover(const TakeoverOptions& options, Callback<Grant> done);
  void withdraw(Callback<void> done);
  void blob(const std::string& sha256, Callback<std::string> done);

  /// [any]
  template <class Look>
  auto look(Look look) const {
    const std::lock_guard lock(mutex_);
    return look(view_);
  }
  std::shared_ptr<Subscription::Entry> subscribe(std::function<void(const Event&)> hear);  // [any]

 private:
  struct Waiter;
  struct Batch;
  struct Run {
    std::string cell_id;
    Callback<std::string> done;
  };

  // Coming and going (live.cpp).
  void connect();
  void reopen();
  void come_back_later(Error why);
  void refused(const net::HttpAnswer& answer);
  void closed(const net::Closed& closed);
  void link_gone();
  void broken(const Error& why);
  bool tolerated();
  void resync();
  void end(Error why);
  void tell(Link link);

  // Frames (live_frames.cpp).
  void received(std::string_view text);
  void frame(Json frame, std::size_t bytes);
  void handle(const Json& frame);
  void answered(const Json& reply);
  void own_edit_answered(const Json& reply);
  void own_write_answered(const Json& body, const Json& reply);
  void event(Event event);
  bool waits_for_its_answer(const Event& event);
  void begin(const Json& ready);
  void granted(const Json& data);
  void caught_up();
  void published(const Event& event);
  void pump(bool again);

  // Who waits (live_waiting.cpp).
  void look_again();
  void run_moved(const Json& data);
  void run_ended(const std::string& execution_id, const std::string& status);
  void look_after_runs();
  void await_run(const std::string& execution_id, const std::string& cell_id, Callback<std::string> done);
  void ask_answered(std::int64_t request_id, const Json& answer);
  void look_after_asks();
  void watch_deadlines();

  template <class Change>
  auto change(Change change) {
    const std::lock_guard lock(mutex_);
    return change(view_);
  }
  [[nodiscard]] const View& view() const { return view_; }  // without the lock: only this thread writes

  Server server_;
  Options options_;
  mutable std::mutex mutex_;
  View view_;

  std::shared_ptr<net::WebSocket> link_;
  std::uint64_t generation_ = 0;  // of links
  std::string client_key_;        // id.secret
  std::string secret_;
  std::string stream_;
  std::string resume_;
  bool over_ = false;
  bool ever_current_ = false;
  bool ready_seen_ = false;  // on this link
  bool told_connected_ = false;
  int violations_ = 0;
  Clock::time_point last_violation_;
  Clock::time_point lost_at_;
  Milliseconds backoff_{0};
  net::Timer retry_;
  net::Timer opening_;  // until the first replay is over
  net::Timer replay_;   // until this link's replay is over
  net::Timer tick_;
  Callback<void> opened_;

  // Our own edits come back without their changes, which stand in the reply. Until that is here, what follows is held.
  std::optional<Event> own_;
  std::deque<std::pair<Json, std::size_t>> held_;
  std::size_t held_bytes_ = 0;
  std::map<std::string, Json, std::less<>> early_replies_;  // to edits whose event is still to come

  Pendings pendings_;
  std::vector<std::pair<std::uint64_t, Callback<void>>> barriers_;  // until all commands up to a number are answered
  std::list<std::shared_ptr<Waiter>> waiters_;
  std::multimap<std::string, Run, std::less<>> runs_;  // one run may be waited for by many
  std::map<std::string, std::string, std::less<>> ended_runs_;
  std::deque<std::string> ended_order_;
  std::map<std::int64_t, Callback<void>> asks_;
  std::map<std::int64_t, Json> early_answers_;
  std::map<std::uint64_t, Callback<std::string>> blobs_;  // by a number of their own
  std::uint64_t next_blob_ = 0;

  std::mutex hearing_mutex_;
  std::vector<std::shared_ptr<Subscription::Entry>> hearing_;
};

}  // namespace lectern::client
