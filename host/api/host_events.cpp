#include "api/host_events.hpp"

#include <chrono>
#include <map>
#include <utility>
#include <vector>

namespace lectern::api {
namespace {
constexpr std::chrono::milliseconds gather{50};
constexpr std::chrono::seconds keepalive{20};
constexpr std::size_t max_queued = 1u << 20;
// Connection numbers of a transport must be its host's own; sessions count up from 1, the host-wide stream down.
std::uint64_t next_connection = ~std::uint64_t{0};
}  // namespace

struct HostEvents::State {
  explicit State(Loop& l) : loop(l), gather_timer(l), keepalive_timer(l) {}
  Loop& loop;
  std::map<std::string, Source, std::less<>> sources;
  std::set<std::string, std::less<>> pending;
  std::set<Reader*> readers;
  Timer gather_timer;
  Timer keepalive_timer;

  void flush();
  void tick(const std::shared_ptr<State>& self);
};

class HostEvents::Reader : public session::LinkEvents {
  // Before its uses: what it returns is deduced.
  /// On the loop, unless the reader is gone by then.
  template <class Body>
  auto posting(Body body) {
    return [this, here = std::weak_ptr(here_), &loop = state_->loop, body](auto&&... said) {
      loop.post([this, here, body, ... said = std::move(said)] {
        if (!here.expired()) body(*this, said...);
      });
    };
  }

 public:
  Reader(std::shared_ptr<State> state, session::Link& link, plugin::TransportPtr transport, std::string principal)
      : state_(std::move(state)),
        link_(link),
        transport_(std::move(transport)),
        principal_(std::move(principal)),
        connection_(next_connection--) {}
  ~Reader() override {
    if (open_ || transport_->waits()) transport_->close(connection_);
    state_->readers.erase(this);
  }

  Status open(std::uint32_t binding) {
    if (transport_->waits()) return open_later(binding);
    auto encoding = transport_->open(connection_, binding, "{}");
    if (!encoding) return fail(encoding.error());
    begin(*encoding);
    return {};
  }
  void send(plugin::OutboundKind kind, std::string_view op, std::string_view data) {
    if (closing_) return;
    // What is sent is always the newest state, so a reader this far behind is not reading at all.
    if (link_.queued_bytes() > max_queued) return close("TOO_SLOW");
    plugin::Outbound message;
    message.kind = kind;
    message.op = op;
    message.data = data;
    if (!transport_->waits()) return write(transport_->encode(encoding_, message));
    // Answers come in the order of the calls, so what is sent keeps its order.
    const auto handed =
        transport_->encode_later(encoding_, message, posting([](Reader& self, const plugin::TransportAnswer& answer) {
                                   self.write(plugin::Transport::encoded(answer));
                                 }));
    if (!handed) close("TRANSPORT_BUSY", 1013);
  }
  void close(std::string reason, std::uint16_t code = 1000) {
    if (!std::exchange(closing_, true)) link_.close(code, std::move(reason));
  }
  [[nodiscard]] const std::string& principal() const { return principal_; }
  void on_frame(bool, std::string_view) override {}
  void on_drained() override {}
  void on_closed(bool) override { state_->readers.erase(this); }

 private:
  void begin(std::uint64_t encoding) {
    open_ = true;
    encoding_ = encoding;
    state_->readers.insert(this);
    for (const auto& [op, source] : state_->sources) send(plugin::OutboundKind::event, op, source());
    if (!state_->keepalive_timer.armed()) {
      state_->keepalive_timer.start(keepalive, [weak = std::weak_ptr(state_)] {
        if (const auto state = weak.lock()) state->tick(state);
      });
    }
  }
  Status open_later(std::uint32_t binding) {
    return transport_->open_later(connection_, binding, "{}",
                                  posting([](Reader& self, const plugin::TransportAnswer& answer) {
                                    if (self.closing_) return;
                                    const auto encoding = plugin::Transport::opened(answer);
                                    if (!encoding) return self.close("TRANSPORT_RESTS", 1013);
                                    self.begin(*encoding);
                                  }),
                                  posting([](Reader& self) { self.close("TRANSPORT_ENDED", 1012); }));
  }
  void write(Result<std::vector<plugin::EncodedFrame>> frames) {
    if (closing_) return;
    if (!frames) return close("INTERNAL");
    for (auto& frame : *frames) {
      link_.send(std::make_shared<const session::Frame>(session::Frame{frame.binary, std::move(frame.bytes)}));
    }
  }
  const std::shared_ptr<bool> here_ = std::make_shared<bool>(true);
  std::shared_ptr<State> state_;
  session::Link& link_;
  plugin::TransportPtr transport_;
  std::string principal_;
  std::uint64_t connection_;
  std::uint64_t encoding_ = 0;
  bool open_ = false, closing_ = false;
};

void HostEvents::State::flush() {
  for (const auto& op : std::exchange(pending, {})) {
    const auto source = sources.find(op);
    if (source == sources.end() || readers.empty()) continue;
    const auto data = source->second();
    for (auto* reader : std::vector<Reader*>(readers.begin(), readers.end())) {
      reader->send(plugin::OutboundKind::event, op, data);
    }
  }
}

void HostEvents::State::tick(const std::shared_ptr<State>& self) {
  for (auto* reader : std::vector<Reader*>(readers.begin(), readers.end())) {
    reader->send(plugin::OutboundKind::keepalive, {}, {});
  }
  if (readers.empty()) return;
  keepalive_timer.start(keepalive, [weak = std::weak_ptr(self)] {
    if (const auto state = weak.lock()) state->tick(state);
  });
}

HostEvents::HostEvents(Loop& loop) : state_(std::make_shared<State>(loop)) {}
HostEvents::~HostEvents() = default;

void HostEvents::declare(std::string op, Source source) {
  state_->sources[std::move(op)] = std::move(source);
}

void HostEvents::changed(std::string_view op) {
  state_->loop.post([state = state_, name = std::string(op)] {
    if (state->readers.empty()) return;
    state->pending.insert(name);
    if (state->gather_timer.armed()) return;
    state->gather_timer.start(gather, [weak = std::weak_ptr(state)] {
      if (const auto live = weak.lock()) live->flush();
    });
  });
}

std::unique_ptr<session::LinkEvents> HostEvents::connect(session::Link& link, plugin::TransportPtr transport,
                                                         std::uint32_t binding, std::string principal) {
  auto reader = std::make_unique<Reader>(state_, link, std::move(transport), std::move(principal));
  if (auto opened = reader->open(binding); !opened) {
    link.close(1011, opened.error().message);
    return nullptr;
  }
  return reader;
}

void HostEvents::revoke(std::string principal) {
  state_->loop.post([state = state_, whose = std::move(principal)] {
    for (auto* reader : std::vector<Reader*>(state->readers.begin(), state->readers.end())) {
      if (reader->principal() == whose) reader->close("UNAUTHORIZED", 1008);
    }
  });
}

void HostEvents::close_all(std::string reason) {
  state_->loop.post([state = state_, why = std::move(reason)] {
    for (auto* reader : std::vector<Reader*>(state->readers.begin(), state->readers.end())) reader->close(why);
  });
}

}  // namespace lectern::api
