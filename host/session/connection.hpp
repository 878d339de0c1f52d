// One socket of one client: its codec, its bounded queue, and what its owner chose to be told.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "document/models_document.hpp"
#include "document/notebook_document.hpp"
#include "plugin/transport.hpp"
#include "session/link.hpp"
#include "session/message.hpp"
#include "session/replay.hpp"
#include "session/replay_ring.hpp"

namespace lectern::session {

class LiveSession;
struct Client;

/// The query of a connection (protocol 2, GET …/connect).
struct ConnectOptions {
  std::string client_id, label, kind;
  std::optional<ResumeToken> resume;
  bool view_only = false;
  bool document_changes = false;                         // document=changes
  bool models_document = false;                          // models=document
  std::optional<std::vector<std::string>> models_heads;  // what a returning client's models document has
  std::string models_history;
  bool notebook = true;                           // kernel-ready has the notebook; with changes only when asked for
  std::optional<std::vector<std::string>> heads;  // what a returning client's document has
  std::string history_id;
};
/// [any] Unknown keys are ignored; 400 `bad_request` for wrong values of known ones.
Result<ConnectOptions> parse_options(const ConnectRequest& request);

class Connection final : public LinkEvents {
 public:
  struct Wiring {
    std::uint64_t id = 0;
    plugin::TransportPtr transport;
    std::uint64_t encoding = 0;
    bool byte_stream = false;
  };
  /// [reactor] `link` outlives the connection.
  Connection(std::shared_ptr<LiveSession> session, Link& link, ConnectRequest request, ConnectOptions options,
             Wiring wiring);
  ~Connection() override;

  /// [reactor] Of a transport that waits(): opens it as binding `binding`; nothing is sent before that has happened.
  void open_later(std::uint32_t binding);

  void on_frame(bool binary, std::string_view bytes) override;
  void on_drained() override { pump(); }
  void on_revoked() override;
  void on_closed(bool clean) override;

  /// [reactor] Waits for a client key, `hello_ms` long.
  void await_hello();
  /// [reactor] It belongs to `client` from now on; frames that come before it is live are kept, up to a bound.
  void belongs_to(Client& client) { client_ = &client; }
  /// [reactor] kernel-ready is the next thing to be sent; what came in meanwhile is handled after this turn's snapshot.
  void go_live() { live_ = true; }
  /// [reactor] What comes before everything that is sent from now on; leaves as the socket takes it.
  void begin_replay(Replay replay);
  /// [reactor] More of the replay may be ready.
  void go_on() { pump(); }
  /// [reactor] It turned out to be another client's: belongs_to() and a kernel-ready of that one's own come next.
  void start_again();
  void handle_early_frames();
  /// [reactor] The fresh snapshot comes next; events count again.
  void resync_begins();

  /// [reactor] Queues a message. Dropped while the connection waits for a fresh snapshot, unless it is for it alone.
  void send(const MessagePtr& message);
  /// [reactor] Closes; nothing is sent after it.
  void close(std::uint16_t code, std::string reason);
  /// [reactor] Cuts the socket: the client counts as lost, and may come back.
  void cut() { link_.cut(); }
  /// [reactor] A sign of life is asked for; whether one came.
  void ping() { link_.ping(); }
  [[nodiscard]] bool alive_since(std::int64_t at_ms) const { return link_.alive_since(at_ms); }

  [[nodiscard]] std::uint64_t id() const { return wiring_.id; }
  /// Nothing comes in by it: an event stream.
  [[nodiscard]] bool byte_stream() const { return wiring_.byte_stream; }
  [[nodiscard]] Client* client() const { return client_; }
  [[nodiscard]] const ConnectOptions& options() const { return options_; }
  [[nodiscard]] const ConnectRequest& request() const { return request_; }
  [[nodiscard]] bool live() const { return live_ && !closing_; }
  [[nodiscard]] bool closing() const { return closing_; }
  /// What waits here and in the socket's queue; a replay, which is written as it leaves, does not count.
  [[nodiscard]] std::size_t waiting_bytes() const {
    return gone_ ? 0 : counted_ + encoding_bytes_ + link_.queued_bytes();
  }

  /// Whether `03` may be sent: the client has a document they apply to.
  bool document_ready = false;
  /// The same for `04` and the models document.
  bool models_ready = false;
  std::optional<document::ModelsDocument::Sync> models_sync;
  /// Its sync conversation, made at the first `01`.
  std::optional<document::SyncSession> sync;
  /// Of a client that was issued just now: goes out in kernel-ready, once.
  std::string secret;
  /// Something but a key came in.
  bool spoke = false;
  /// Its incarnation among the client's connections.
  std::uint64_t incarnation = 0;

 private:
  void receive(bool binary, std::string_view bytes);
  void receive_later(bool binary, std::string_view bytes);
  void take(plugin::TransportAnswer answer, std::size_t bytes);
  void took(const Status& received);
  void opened(const plugin::TransportAnswer& answer);
  void lost();
  void pump_later();
  void send_encoded();
  void finish_closing();
  /// On this reactor, unless the connection is gone by then.
  template <class Body>
  auto posting(Body body);
  Status inbound(const plugin::Inbound& message);
  MessagePtr next();
  void pump();
  void become_slow();
  void resync();
  void push(const MessagePtr& message);
  void keep_alive();

  struct Slot {
    MessagePtr message;  // null: a newer one took its place
  };
  std::shared_ptr<LiveSession> session_;  // shared: keeps the session until its last socket is gone
  Link& link_;
  ConnectRequest request_;
  ConnectOptions options_;
  Wiring wiring_;
  Client* client_ = nullptr;
  bool live_ = false, closing_ = false, gone_ = false;
  bool slow_ = false, resync_asked_ = false, in_snapshot_ = false, pumping_ = false;
  Replay replay_;  // leaves before the queue
  std::deque<Slot> queue_;
  std::uint64_t queue_base_ = 0;            // how many have left: absolute place of queue_.front()
  std::size_t counted_ = 0;                 // bytes in queue_ that count against the bound
  std::array<std::uint64_t, 32> newest_{};  // absolute place + 1 of the newest message of each coalescing op
  struct Early {
    bool binary = false;
    std::string bytes;
    std::optional<plugin::TransportAnswer> answer;  // instead, of a transport that waits()
  };
  std::deque<Early> early_;
  std::size_t early_bytes_ = 0;
  // Of a transport that waits(): what its process is at work on.
  std::deque<MessagePtr> encoding_;
  std::size_t encoding_bytes_ = 0, reading_bytes_ = 0;
  bool opened_ = true;
  std::optional<std::pair<std::uint16_t, std::string>> closes_with_;  // when encoding_ has left
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);         // gone with it: what was posted looks at it
  Timer timer_;                                                       // hello, then the patience with a slow one
  Timer keepalive_;
};

}  // namespace lectern::session
