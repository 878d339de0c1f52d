// A relay's connection at a real session: only the WebSocket itself is stood in for.
#include "relay/carrier.hpp"

#include <atomic>
#include <map>

#include "../support/on_loop.hpp"
#include "session_support.hpp"

namespace lectern::relay {
namespace {

using namespace session::testing;
using session::FramePtr;
using session::SessionPtr;

struct Got {
  Header header;
  std::string payload;
};

/// The other host's end of the WebSocket.
class Wire {
 public:
  explicit Wire(SessionPtr session, Carrier::Options options = owner())
      : session_(std::move(session)), socket_(std::make_shared<Socket>()) {
    socket_->loop = &session_->loop();
    socket_->keep = socket_;
    on_loop([&] { socket_->events = std::make_unique<Carrier>(session_, *socket_, std::move(options)); });
  }
  ~Wire() { cut(); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  static Carrier::Options owner() {
    Carrier::Options options;
    options.principal = "device:couch";
    options.device = "Couch";
    options.scope = 3;
    return options;
  }

  void on_loop(const std::function<void()>& work) { test::on_loop(session_->loop(), work); }
  void cut() {
    on_loop([this] { socket_->end(); });
  }
  /// The events are destroyed as they are, without a last word.
  void vanish() {
    on_loop([this] { socket_->events.reset(); });
  }
  void say_bytes(const std::string& bytes, bool binary = true) {
    on_loop([&] {
      if (socket_->events) socket_->events->on_frame(binary, bytes);
    });
  }
  void say(const Header& header, std::string_view payload = {}) {
    const auto bytes = encode(header, From::viewers, payload);
    ASSERT_TRUE(bytes) << bytes.error().message;
    say_bytes(*bytes);
  }
  void open(Channel channel, std::string query = "{}", std::string key = {}, std::uint32_t scope = 3) {
    Header header;
    header.op = Op::open;
    header.channels = {channel};
    header.query_json = std::move(query);
    header.client_key = std::move(key);
    header.scope = scope;
    say(header);
  }
  void send(Channel channel, const std::string& text) {
    Header header;
    header.channels = {channel};
    say(header, text);
  }
  void close(Channel channel, bool clean) {
    Header header;
    header.op = Op::close;
    header.channels = {channel};
    header.clean = clean;
    say(header);
  }
  void pace(Op op, Channel channel) {
    Header header;
    header.op = op;
    header.channels = {channel};
    say(header);
  }
  void stop_reading() {
    on_loop([this] { socket_->reading = false; });
  }
  void read_on() {
    on_loop([this] { socket_->read_on(); });
  }
  [[nodiscard]] std::size_t queued() {
    std::size_t bytes = 0;
    on_loop([&] { bytes = socket_->queued; });
    return bytes;
  }

  /// The next event of the channel that `wanted` accepts; earlier ones are skipped.
  Received await(Channel channel, const std::function<bool(const Received&)>& wanted, const std::string& what) {
    Received found;
    const auto got = next(channel, what, [&](const Got& one) {
      if (one.header.op != Op::frame || !one.header.text) return false;
      found = event(one.payload);
      return wanted(found);
    });
    return got ? found : Received();
  }
  Received await(Channel channel, const std::string& op) {
    return await(
        channel, [&](const Received& one) { return one.op == op; }, op);
  }
  /// The next refused or closed of the channel.
  Header await_end(Channel channel) {
    const auto got = next(channel, "end", [](const Got& one) { return one.header.op != Op::frame; });
    return got ? got->header : Header();
  }
  json::Value command(Channel channel, const std::string& name, const std::string& body = "{}",
                      std::optional<std::uint64_t> epoch = std::nullopt) {
    const auto id = "r" + std::to_string(++last_id_);
    send(channel, R"({"id":")" + id + R"(","command":")" + name + R"(","body":)" + body +
                      (epoch ? ",\"epoch\":" + std::to_string(*epoch) : std::string()) + "}");
    return await(
               channel,
               [&](const Received& one) {
                 return one.op == "reply" && one.data.find("id") != nullptr && *one.data.find("id")->as_string() == id;
               },
               "reply to " + id)
        .data;
  }
  std::vector<Got> all() {
    const std::scoped_lock lock(socket_->mutex);
    return socket_->got;
  }
  /// Messages so far that are an edit with `text` in it.
  std::vector<Got> with(const std::string& text) {
    auto got = all();
    std::erase_if(got, [&](const Got& one) {
      return one.payload.find(text) == std::string::npos ||
             one.payload.find("notebook-document-transaction") == std::string::npos;
    });
    return got;
  }
  std::pair<std::uint16_t, std::string> await_close() {
    std::unique_lock lock(socket_->mutex);
    socket_->changed.wait_for(lock, patience, [this] { return socket_->code != 0; });
    return {socket_->code, socket_->reason};
  }
  void settle() {
    for (int i = 0; i < 3; ++i) on_loop([] {});
  }

 private:
  struct Socket final : session::Link {
    void send(FramePtr frame) override {
      const std::scoped_lock lock(mutex);
      if (!reading) queued += frame->bytes.size();
      const auto message = decode(frame->bytes, From::session);
      if (!message) {
        ADD_FAILURE() << message.error().message;
        return;
      }
      got.push_back({message->header, std::string(message->payload)});
      changed.notify_all();
    }
    [[nodiscard]] std::size_t queued_bytes() const override { return queued; }
    void close(std::uint16_t code_, std::string reason_) override {
      {
        const std::scoped_lock lock(mutex);
        code = code_;
        reason = std::move(reason_);
        changed.notify_all();
      }
      loop->post([weak = keep] {
        if (const auto self = weak.lock()) self->end();
      });
    }
    void cut() override { ADD_FAILURE() << "nobody cuts the carrier"; }
    void ping() override { ++pings; }
    [[nodiscard]] bool alive_since(std::int64_t) const override { return true; }
    void read_on() {
      reading = true;
      const bool was_full = queued >= 64u << 10;
      queued = 0;
      if (was_full && events) events->on_drained();
    }
    void end() {
      if (!events) return;
      auto last = std::move(events);
      last->on_closed(false);
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Got> got;
    std::uint16_t code = 0;
    std::string reason;
    std::unique_ptr<session::LinkEvents> events;
    Loop* loop = nullptr;
    std::weak_ptr<Socket> keep;
    std::size_t queued = 0;
    int pings = 0;
    bool reading = true;
  };

  static Received event(const std::string& text) {
    Received out;
    auto value = json::parse(text);
    if (!value) return out;
    out.op = text_of(*value, "op");
    if (const auto* seq = value->find("seq")) out.seq = seq->as_uint();
    if (auto* data = value->find("data")) out.data = std::move(*data);
    return out;
  }
  std::optional<Got> next(Channel channel, const std::string& what, const std::function<bool(const Got&)>& wanted) {
    std::unique_lock lock(socket_->mutex);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    auto& at = next_[channel];
    while (true) {
      for (; at < socket_->got.size(); ++at) {
        const auto& one = socket_->got[at];
        const auto& to = one.header.channels;
        if (std::find(to.begin(), to.end(), channel) == to.end() || !wanted(one)) continue;
        return socket_->got[at++];
      }
      if (socket_->changed.wait_until(lock, deadline) == std::cv_status::timeout) {
        ADD_FAILURE() << "no " << what << " came on channel " << channel;
        return std::nullopt;
      }
    }
  }

  SessionPtr session_;
  std::shared_ptr<Socket> socket_;
  std::map<Channel, std::size_t> next_;
  int last_id_ = 0;
};

const std::string edit_a = R"({"changes":[{"type":"set_source","cell_id":"a","source":"seen by all"}]})";

/// The source of the cell "a", as an edit of it.
std::string edit_of(const std::string& source) {
  return R"({"changes":[{"type":"set_source","cell_id":"a","source":")" + source + "\"}]}";
}

class RelayCarrierTest : public SessionTest {
 protected:
  /// Three viewers, the first of whom has the pen.
  std::unique_ptr<Wire> three() {
    auto wire = std::make_unique<Wire>(session_);
    for (Channel channel = 1; channel <= 3; ++channel) {
      wire->open(channel);
      ready_[channel] = wire->await(channel, "kernel-ready");
      wire->await(channel, "replay-complete");
    }
    return wire;
  }
  std::map<Channel, Received> ready_;
};

TEST_F(RelayCarrierTest, AnEventIsOneMessageForAllWhoGetIt) {
  start();
  const auto wire = three();
  EXPECT_TRUE(edits(ready_[1].data));
  EXPECT_FALSE(edits(ready_[2].data));
  EXPECT_NE(text_of(at(ready_[2].data, {"client"}), "id"), text_of(at(ready_[3].data, {"client"}), "id"));
  EXPECT_TRUE(flag_of(wire->command(1, "transaction", edit_a, 1), "ok"));
  wire->await(3, "notebook-document-transaction");
  const auto messages = wire->with("seen by all");
  ASSERT_EQ(1u, messages.size()) << "the author has its own without the changes";
  EXPECT_EQ((std::vector<Channel>{2, 3}), messages[0].header.channels);
  // What a direct viewer does comes once for all three.
  auto direct = tab();
  direct->await("kernel-ready");
  EXPECT_TRUE(flag_of(direct->command("takeover"), "ok"));
  EXPECT_TRUE(flag_of(direct->command("transaction", edit_of("from the desk"), 2), "ok"));
  wire->await(
      3, [](const Received& one) { return json::write(one.data).find("from the desk") != std::string::npos; },
      "the edit of the direct tab");
  const auto again = wire->with("from the desk");
  ASSERT_EQ(1u, again.size());
  EXPECT_EQ((std::vector<Channel>{1, 2, 3}), again[0].header.channels);
}

TEST_F(RelayCarrierTest, ThePenGoesBetweenChannelsAndTabsWithItsEpochs) {
  start();
  const auto wire = three();
  auto direct = tab();
  direct->await("kernel-ready");
  EXPECT_EQ(2u, number_of(wire->command(3, "takeover"), "epoch"));
  EXPECT_FALSE(edits(wire->await(1, "consumer-capabilities").data));
  EXPECT_EQ(3u, number_of(direct->command("takeover", R"({"if_epoch":2})"), "epoch"));
  EXPECT_FALSE(
      edits(wire->await(
                    3, [](const Received& one) { return one.op == "consumer-capabilities" && !edits(one.data); },
                    "the loss of the pen")
                .data));
  EXPECT_EQ("stale_epoch", error_code(wire->command(3, "transaction", edit_a, 2)));
  EXPECT_EQ("stale_epoch", error_code(wire->command(2, "takeover", R"({"if_epoch":2})")));
  EXPECT_EQ(4u, number_of(wire->command(2, "takeover", R"({"if_epoch":3})"), "epoch"));
  EXPECT_TRUE(flag_of(wire->command(2, "transaction", edit_a, 4), "ok"));
}

TEST_F(RelayCarrierTest, ScopeIsTheLeastOfWhatWasGrantedAndAsked) {
  start();
  auto wire = std::make_unique<Wire>(session_);
  wire->open(1, "{}", "", 0);
  EXPECT_FALSE(flag_of(at(wire->await(1, "kernel-ready").data, {"consumer_capabilities"}), "interact"));
  EXPECT_EQ("denied", error_code(wire->command(1, "takeover")));
  wire->open(2);
  EXPECT_TRUE(edits(wire->await(2, "kernel-ready").data));
  auto options = Wire::owner();
  options.scope = 2;
  Wire watching(session_, options);
  watching.open(1, "{}", "", 3);
  EXPECT_TRUE(flag_of(at(watching.await(1, "kernel-ready").data, {"consumer_capabilities"}), "interact"));
  EXPECT_EQ("denied", error_code(watching.command(1, "takeover")));
}

TEST_F(RelayCarrierTest, MembersHaveTheDeviceThatWasProved) {
  start();
  auto direct = tab();
  direct->await("kernel-ready");
  Wire wire(session_);
  wire.open(1, R"({"device":"Desk","label":"A tab"})");
  wire.await(1, "kernel-ready");
  EXPECT_TRUE(flag_of(wire.command(1, "takeover"), "ok"));
  const auto room = direct->await(
      [](const Received& one) {
        return one.op == "room-state" && text_of(at(one.data, {"editor"}), "device") == "Couch";
      },
      "the relayed editor");
  std::map<std::string, std::string> devices;
  const auto members = at(room.data, {"members"});
  for (const auto& member : *members.as_array()) {
    devices[text_of(member, "label")] = text_of(member, "device");
  }
  EXPECT_EQ("Couch", devices["A tab"]);
  EXPECT_EQ("testbed", devices[""]);
  wire.command(1, "transaction", edit_a, 2);
  const auto edit = direct->await("notebook-document-transaction");
  EXPECT_EQ("Couch", text_of(at(edit.data, {"transaction", "by"}), "device"));
  const auto history = ask<session::CommandReply>(
      [&](session::Reply<session::CommandReply> reply) { session_->history({}, std::move(reply)); });
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_NE(std::string::npos, history->json.find(R"("device":"Couch")")) << history->json;
}

TEST_F(RelayCarrierTest, AChannelEndsAloneAndComesBackWithTheGap) {
  start();
  const auto wire = three();
  const auto& ready = ready_[1].data;
  const auto key = Tab::key_of(ready_[1]);
  const auto resume = text_of(ready, "stream") + "." + std::to_string(number_of(ready, "seq"));
  wire->close(1, false);
  wire->await(
      2,
      [](const Received& one) {
        return one.op == "room-state" && one.data.find("reserved_until") != nullptr &&
               !one.data.find("reserved_until")->is_null();
      },
      "the reservation of the lost editor");
  EXPECT_TRUE(flag_of(wire->command(2, "takeover"), "ok"));
  EXPECT_TRUE(flag_of(wire->command(2, "transaction", edit_a, 2), "ok"));
  wire->open(4, R"({"resume":")" + resume + "\"}", key);
  const auto back = wire->await(4, "kernel-ready").data;
  EXPECT_TRUE(flag_of(back, "resumed"));
  EXPECT_EQ("gap", text_of(back, "replay"));
  EXPECT_EQ(text_of(at(ready, {"client"}), "id"), text_of(at(back, {"client"}), "id"));
  wire->await(
      4, [](const Received& one) { return json::write(one.data).find("seen by all") != std::string::npos; },
      "the edit that was missed");
  wire->await(4, "replay-complete");
  wire->close(3, true);
  wire->await(
      2,
      [](const Received& one) { return one.op == "room-state" && at(one.data, {"members"}).as_array()->size() == 2; },
      "the room without the one who left");
}

TEST_F(RelayCarrierTest, ACutCarrierLosesItsViewersForAWhile) {
  start();
  auto direct = tab();
  auto wire = std::make_unique<Wire>(session_);
  direct->await("kernel-ready");
  wire->open(1);
  const auto ready = wire->await(1, "kernel-ready");
  EXPECT_EQ(2u, number_of(wire->command(1, "takeover"), "epoch"));
  wire->cut();
  direct->await(
      [](const Received& one) {
        return one.op == "room-state" && one.data.find("reserved_until") != nullptr &&
               !one.data.find("reserved_until")->is_null();
      },
      "the reservation");
  Wire again(session_);
  again.open(
      1, R"({"resume":")" + text_of(ready.data, "stream") + "." + std::to_string(number_of(ready.data, "seq")) + "\"}",
      Tab::key_of(ready));
  const auto back = again.await(1, "kernel-ready").data;
  EXPECT_TRUE(flag_of(back, "resumed"));
  EXPECT_EQ("gap", text_of(back, "replay"));
  EXPECT_EQ(2u, number_of(back, "epoch"));
  EXPECT_TRUE(flag_of(again.command(1, "transaction", edit_a, 2), "ok"));
  again.vanish();  // as net's link does when it is destroyed itself
  direct->await(
      [](const Received& one) {
        return one.op == "room-state" && one.data.find("reserved_until") != nullptr &&
               !one.data.find("reserved_until")->is_null();
      },
      "the reservation once more");
}

TEST_F(RelayCarrierTest, TheSameClientOnTwoChannelsIsOneViewer) {
  start();
  const auto wire = three();
  wire->open(4, "{}", Tab::key_of(ready_[2]));
  wire->await(4, "kernel-ready");
  const auto end = wire->await_end(2);
  EXPECT_EQ(Op::closed, end.op);
  EXPECT_EQ(4001, end.code);
  EXPECT_EQ("REPLACED", end.reason);
  wire->send(2, "{}");  // crossed with the end: nobody minds
  EXPECT_TRUE(flag_of(wire->command(4, "room"), "ok"));
}

TEST_F(RelayCarrierTest, WhoIsNotLetInIsRefusedAlone) {
  start();
  auto options = Wire::owner();
  options.most_channels = 2;
  Wire wire(session_, options);
  wire.open(1, "{}", "nobody.knows");
  const auto unknown = wire.await_end(1);
  EXPECT_EQ(Op::refused, unknown.op);
  EXPECT_EQ(401, unknown.error.status);
  EXPECT_EQ("client_unknown", unknown.error.code);
  wire.open(2, R"({"document":"odd"})");
  EXPECT_EQ(400, wire.await_end(2).error.status);
  wire.open(3);
  wire.open(4);
  wire.await(3, "kernel-ready");
  wire.await(4, "kernel-ready");
  wire.open(5);
  EXPECT_EQ("too_many_channels", wire.await_end(5).error.code);
  wire.close(4, true);
  wire.open(6);
  wire.await(6, "kernel-ready");
}

TEST_F(RelayCarrierTest, AMalformedMessageEndsTheCarrierAndSaysWhy) {
  start();
  auto direct = tab();
  direct->await("kernel-ready");
  struct Case {
    std::string bytes;
    bool binary;
    std::uint16_t code;
  };
  Header never;
  never.channels = {9};
  Header old;
  old.op = Op::open;
  old.channels = {1};
  const std::vector<Case> cases = {
      {"{}", false, 1007},
      {"odd", true, 1007},
      {std::string("\xff\xff\xff\x7f", 4), true, 1009},
      {*encode(never, From::viewers, "{}"), true, 1008},
      {*encode(old, From::viewers), true, 1008},
  };
  for (const auto& one : cases) {
    Wire wire(session_);
    wire.open(1);
    wire.await(1, "kernel-ready");
    wire.say_bytes(one.bytes, one.binary);
    const auto [code, reason] = wire.await_close();
    EXPECT_EQ(one.code, code) << reason;
    EXPECT_NE("", reason);
    wire.open(2);
    wire.settle();
    EXPECT_EQ(Op::frame, wire.all().back().header.op) << "nothing is answered any more";
  }
  EXPECT_TRUE(flag_of(direct->command("room"), "ok"));
}

TEST_F(RelayCarrierTest, AnEndedCredentialEndsIt) {
  start();
  auto direct = tab();
  direct->await("kernel-ready");
  const auto alive = std::make_shared<std::atomic<bool>>(true);
  auto options = Wire::owner();
  options.ended = [alive]() -> std::optional<Carrier::Ending> {
    if (*alive) return std::nullopt;
    return Carrier::Ending{1008, "UNAUTHORIZED"};
  };
  {
    // With viewers: the session ends what runs under it, and the carrier goes at once.
    Wire wire(session_, options);
    wire.open(1);
    wire.await(1, "kernel-ready");
    *alive = false;
    session_->revoke("device:couch");
    EXPECT_EQ(1008, wire.await_end(1).code);
    EXPECT_EQ((std::pair<std::uint16_t, std::string>(1008, "UNAUTHORIZED")), wire.await_close());
  }
  {
    *alive = true;
    Wire wire(session_, options);
    *alive = false;
    wire.open(1);
    EXPECT_EQ(1008, wire.await_close().first);
    EXPECT_TRUE(wire.all().empty());
  }
  {
    // Without: at the next look.
    *alive = true;
    options.look_every = std::chrono::milliseconds(20);
    Wire wire(session_, options);
    *alive = false;
    EXPECT_EQ(1008, wire.await_close().first);
  }
  EXPECT_TRUE(flag_of(direct->command("room"), "ok"));
}

TEST_F(RelayCarrierTest, TheEndOfTheSessionEndsIt) {
  start();
  const auto wire = three();
  const auto ended = ask<bool>([&](session::Reply<bool> reply) { session_->end("SESSION_ENDED", std::move(reply)); });
  ASSERT_TRUE(ended);
  for (Channel channel = 1; channel <= 3; ++channel) EXPECT_EQ(1000, wire->await_end(channel).code);
  EXPECT_EQ((std::pair<std::uint16_t, std::string>(1000, "SESSION_ENDED")), wire->await_close());
}

TEST_F(RelayCarrierTest, ASlowViewerIsPacedAndNobodyElse) {
  start();
  const auto wire = three();
  wire->pace(Op::full, 2);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(flag_of(wire->command(1, "transaction", edit_of("edit " + std::to_string(i)), 1), "ok"));
  }
  wire->await(
      3, [](const Received& one) { return json::write(one.data).find("edit 4") != std::string::npos; },
      "the last edit");
  for (const auto& message : wire->with("edit ")) {
    EXPECT_EQ((std::vector<Channel>{3}), message.header.channels);
  }
  wire->pace(Op::drained, 2);
  for (int i = 0; i < 5; ++i) {
    const auto source = "edit " + std::to_string(i);
    wire->await(
        2, [&](const Received& one) { return json::write(one.data).find(source) != std::string::npos; }, source);
  }
}

TEST_F(RelayCarrierTest, AFullCarrierHoldsAllBackAndThenGoesOnForAllAtOnce) {
  start();
  const auto wire = three();
  auto direct = tab();
  direct->await("kernel-ready");
  ASSERT_TRUE(flag_of(direct->command("takeover"), "ok"));
  wire->settle();
  wire->stop_reading();
  const std::string large(40'000, 'x');
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(flag_of(direct->command("transaction", edit_of(large + std::to_string(i)), 2), "ok"));
  }
  wire->settle();
  EXPECT_EQ(2u, wire->with(large).size()) << "what is full takes no more";
  wire->read_on();
  wire->await(
      2, [](const Received& one) { return json::write(one.data).find("xxx7\"") != std::string::npos; },
      "the last edit");
  const auto messages = wire->with(large);
  EXPECT_EQ(8u, messages.size());
  for (const auto& message : messages) EXPECT_EQ(3u, message.header.channels.size());
}

}  // namespace
}  // namespace lectern::relay
