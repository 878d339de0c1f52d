// One session of another host, attached here: one line to it, any number of viewers. The host there decides everything;
// here every viewer is a conversation of its own on the line (relay/frames.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/attached.hpp"
#include "attach/access.hpp"
#include "attach/dial.hpp"
#include "base/workers.hpp"
#include "presence/roster.hpp"
#include "relay/frames.hpp"

namespace lectern::attach {

struct AttachmentTimes {
  DialTimes dial;
  int first_pause_ms = 250, longest_pause_ms = 8'000;  // between attempts to come back
  int viewer_waits_ms = 10'000;                        // for a line that is down; then its socket is cut
  int refresh_ms = 15'000;                             // how often the row of the list is asked for
  int gone_ms = 600'000;                               // without a line: it is given up, whoever waits
  int idle_ms = 60'000;  // without viewers, and nothing runs or waits for input there: it is let go
};

class Attachment final : public api::AttachedSession, public std::enable_shared_from_this<Attachment> {
 public:
  /// What whoever makes attachments gives them.
  struct Home {
    FindAccess find_access;
    Workers* workers = nullptr;
    std::shared_ptr<Cooling> cooling;
    std::string device_name;  // of this host
    AttachmentTimes times;
    std::function<void()> changed;                     // [any] its row differs
    std::function<void(const std::string& id)> ended;  // [reactor] nothing of it is left, by itself
  };
  /// [any] `loop` outlives it.
  Attachment(Loop& loop, std::shared_ptr<const Home> home, presence::RemoteSession row);
  ~Attachment() override;

  /// [any] Dials and asks what the session is; the connection info of api::Attached::attach(). Once. After an error
  /// nothing of it is left.
  void open(session::Reply<json::Value> reply);
  /// [any] Ends it, for its viewers with 1000 and `reason`; `done` when no timer and no socket is left.
  void close(std::string reason, Task done);
  /// [any] Closes the viewers of that principal here (1008). When it is the very device the session is on, all of it
  /// ends: 401 `not_paired` to an attempt under way.
  void revoke(std::string principal);
  /// [any] The row of GET /api/v1/sessions, as last refreshed.
  [[nodiscard]] json::Value row() const;
  [[nodiscard]] std::string notebook_id() const;

  [[nodiscard]] const std::string& id() const override { return remote_.session_id; }
  [[nodiscard]] Loop& loop() const override { return loop_; }
  [[nodiscard]] json::Value remote() const override;
  [[nodiscard]] json::Value info() const override;
  std::unique_ptr<session::LinkEvents> connect(session::ConnectRequest request, session::Link& link) override;
  void forward(api::Forwarded request, api::Respond respond) override;

 private:
  class Viewer;
  /// A viewer's place. Its socket is there until it is told to be gone.
  struct Seat {
    session::Link* link = nullptr;
    session::ConnectRequest request;
    relay::Channel channel = 0;                       // 0: not open there (yet, or any more)
    bool over = false;                                // its socket is being closed
    bool full = false;                                // the host there was told that it takes nothing
    std::vector<std::pair<bool, std::string>> early;  // (binary, bytes) before there was a channel
    std::size_t early_bytes = 0;
    std::size_t sent = 0;  // bytes to the line in this stretch
    std::uint64_t stretch = 0;
    std::unique_ptr<Timer> patience;
  };
  using Seats = std::map<std::uint64_t, Seat>;
  using Then = std::function<void(Status)>;

  // [reactor] from here on.
  void dial(std::shared_ptr<Cooling> cooling, Then then);
  void start_dial(std::shared_ptr<Cooling> cooling, std::vector<Peer> peers);
  void opened(const std::shared_ptr<Line>& line);
  void line_closed(const Line::Closed& how);
  void come_back();
  void end_for_viewers(std::uint16_t code, const std::string& reason);
  void end_by_itself(std::uint16_t code, const std::string& reason);
  void unpaired();
  void stop();

  void ask(const std::string& target, std::function<void(Result<json::Value>)> then);
  void learn(std::function<void(Status)> then);
  void refresh();
  void refresh_in(int ms);
  [[nodiscard]] bool is_idle() const;
  void take_row(const json::Value& list);

  void open_channel(Seat& seat, std::uint64_t number);
  void on_message(std::string_view bytes);
  void on_frame(const relay::Message& message);
  void heard(std::uint64_t number, bool binary, std::string_view bytes);
  void drained(std::uint64_t number);
  void left(std::uint64_t number, bool clean);
  Seat* seat_of(relay::Channel channel);
  void end_seat(Seat& seat, std::uint16_t code, std::string reason);
  void close_channel(Seat& seat, bool clean, bool revoked = false);
  void send(const relay::Header& header, std::string_view payload = {});

  Loop& loop_;
  const std::shared_ptr<const Home> home_;  // shared: sockets may outlive who made us
  const presence::RemoteSession remote_;
  std::shared_ptr<Line> line_;  // null: down
  std::shared_ptr<Dial> dial_;
  Then dialled_;
  Peer peer_;  // of the last line: where HTTP goes
  Seats seats_;
  std::unordered_map<relay::Channel, std::uint64_t> by_channel_;
  std::uint64_t next_seat_ = 1;
  relay::Channel next_channel_ = 1;
  std::uint64_t stretch_ = 0;  // of the line without a moment in which all was sent
  BackOff back_off_;
  Timer again_, refresh_;
  std::optional<std::int64_t> down_since_ms_;  // the line was lost then, and is not back
  std::int64_t unwatched_ms_ = 0;              // since when nobody here watches or asks
  std::size_t forwarding_ = 0;
  bool over_ = false;
  mutable std::mutex mutex_;  // of what follows
  json::Value info_, row_;
};

}  // namespace lectern::attach
