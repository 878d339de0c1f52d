#include "net/front_door.hpp"

#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/TCPServer.h>
#include <Poco/Net/TCPServerConnectionFactory.h>
#include <Poco/Net/TCPServerParams.h>
#include <Poco/ThreadPool.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/deferred.hpp"
#include "net/door.hpp"
#include "net/exchange.hpp"
#include "net/http_answer.hpp"
#include "net/tls.hpp"

namespace lectern::net {
namespace {

using Poco::Net::ServerSocket;
using Poco::Net::SocketAddress;
using Poco::Net::StreamSocket;

constexpr int port_attempts = 50;
constexpr std::size_t kept_files = 256;  // descriptors left for kernels, journals, notebooks
constexpr int refusals_at_once = 512;    // sockets that are being told 429 or 503

class ExchangeFactory final : public Poco::Net::TCPServerConnectionFactory {
 public:
  explicit ExchangeFactory(Door& door) : door_(door) {}
  Poco::Net::TCPServerConnection* createConnection(const StreamSocket& socket) override {
    return new Exchange(socket, door_);  // Poco owns it
  }

 private:
  Door& door_;
};

/// Admission, on the accepting thread. Poco's own answer to a full queue is a reset.
class Admission final : public Poco::Net::TCPServerConnectionFilter {
 public:
  explicit Admission(Door& door) : door_(door), most_(most_connections(door.options.limits.connections)) {}

  bool accept(const StreamSocket& socket) override {
    const auto& limits = door_.options.limits;
    const auto address = socket.peerAddress().host();
    const auto present = door_.peers.count();
    const auto busy = door_.busy.load();
    const auto waiting = present - std::min(present, busy);
    const auto all = present + door_.links->count() + static_cast<std::size_t>(door_.answers.open());
    if (all >= most_ || waiting >= limits.waiting) {
      return refuse(socket, {503, "busy", "the host has all the connections it can take", "Try again shortly.", {}});
    }
    const auto per_peer = address.isLoopback() ? limits.per_local_peer : limits.per_peer;
    if (!door_.peers.enter(socket.impl(), address.toString(), per_peer)) {
      return refuse(socket, {429,
                             "too_many_connections",
                             "this address has too many connections open",
                             "Close some, or reuse them.",
                             {}});
    }
    return true;
  }

 private:
  static std::size_t most_connections(std::size_t wanted) {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
    const auto available = static_cast<std::size_t>(files.rlim_cur);
    return std::min(wanted, available > 2 * kept_files ? available - kept_files : available / 2);
  }

  bool refuse(const StreamSocket& socket, const Error& error) {
    ++door_.refused;
    if (door_.answers.open() > refusals_at_once) return false;
    auto response = api::error_response(error);
    door_.answers.send(Wire(socket, door_.tls), response_head(response, false) + response.body,
                       std::shared_ptr<const std::string>());
    return false;
  }

  Door& door_;
  const std::size_t most_;
};

/// Ends the Deferreds that still wait, and gives their answers a moment to leave.
void answer_late(Door& door) {
  auto told = std::make_shared<std::promise<void>>();
  auto done = told->get_future();
  door.loop.post([&door, told] {
    const auto late = std::exchange(door.late, {});
    for (const auto& [key, one] : late) {
      const auto answer = one.answer.lock();
      if (!answer) continue;
      answer->answer(api::error_response({503,
                                          "draining",
                                          "the host is shutting down; it may still happen",
                                          "Ask again with the same id: nothing runs twice.",
                                          {}}));
    }
    told->set_value();
  });
  const auto deadline = clock::now_ms() + 500;
  done.wait_for(std::chrono::milliseconds(500));
  while (door.answers.open() > 0 && clock::now_ms() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

}  // namespace

struct FrontDoor::State {
  State(FrontDoorOptions given, api::Handler& handler)
      : options(std::move(given)), door(std::make_shared<Door>(options, handler)) {}

  Result<std::uint16_t> bind();
  bool try_bind(std::uint16_t port);

  const FrontDoorOptions options;
  std::unique_ptr<TlsServer> tls;
  std::unique_ptr<ServerSocket> socket;
  std::shared_ptr<Door> door;
  std::unique_ptr<Poco::ThreadPool> pool;
  std::unique_ptr<Poco::Net::TCPServer> server;
};

bool FrontDoor::State::try_bind(std::uint16_t port) {
  try {
    auto fresh = std::make_unique<ServerSocket>();
    const SocketAddress address(options.bind, port);
    if (address.family() == SocketAddress::IPv6) {
      fresh->bind6(address, true, false, false);
    } else {
      fresh->bind(address, true, false);
    }
    fresh->listen(1024);
    ::fcntl(fresh->impl()->sockfd(), F_SETFD, FD_CLOEXEC);
    socket = std::move(fresh);
    return true;
  } catch (const Poco::Exception&) {
    return false;
  }
}

Result<std::uint16_t> FrontDoor::State::bind() {
  Poco::Net::IPAddress address;
  if (!Poco::Net::IPAddress::tryParse(options.bind, address)) {
    return fail(400, "bad_bind", "\"" + options.bind + "\" is not an IP address",
                "Give an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1.");
  }
  const int attempts = options.exact_port || options.port == 0 ? 1 : port_attempts;
  for (int attempt = 0; attempt < attempts && options.port + attempt <= 65535; ++attempt) {
    if (try_bind(static_cast<std::uint16_t>(options.port + attempt))) return socket->address().port();
  }
  const auto where = options.bind + ":" + std::to_string(options.port);
  if (attempts == 1) {
    return fail(409, "port_taken", "cannot listen on " + where + ": it is taken, or the address is not this machine's",
                "Give another port, or leave it out to take the next free one.");
  }
  return fail(409, "port_taken", "none of the " + std::to_string(attempts) + " ports from " + where + " on is free",
              "Give another port.");
}

FrontDoor::FrontDoor(FrontDoorOptions options, api::Handler& handler)
    : state_(std::make_unique<State>(std::move(options), handler)) {}

FrontDoor::~FrontDoor() {
  stop();
}

Result<std::uint16_t> FrontDoor::start() {
  auto& state = *state_;
  struct sigaction current {};
  if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
  if (!state.options.tls_certificate.empty() || !state.options.tls_key.empty()) {
    LECTERN_TRY(auto* const tls, load_tls());
    LECTERN_TRY(state.tls, tls->serve(state.options.tls_certificate, state.options.tls_key));
    state.door->tls = state.tls.get();
  }
  LECTERN_TRY(const auto port, state.bind());
  const auto workers = static_cast<int>(std::max(1u, state.options.limits.workers));
  state.pool = std::make_unique<Poco::ThreadPool>("http", 1, workers + 1, 30);
  Poco::Net::TCPServerParams::Ptr params = new Poco::Net::TCPServerParams;
  params->setMaxThreads(workers);
  params->setMaxQueued(1 << 16);  // Admission refuses long before
  // Poco 1.11 wakes one idle thread at stop; the others find out when this time is over.
  params->setThreadIdleTime(Poco::Timespan(1, 0));
  state.server =
      std::make_unique<Poco::Net::TCPServer>(new ExchangeFactory(*state.door), *state.pool, *state.socket, params);
  state.server->setConnectionFilter(new Admission(*state.door));
  state.server->start();
  return port;
}

void FrontDoor::drain() {
  state_->door->draining = true;
}

void FrontDoor::stop() {
  auto& state = *state_;
  if (!state.server) return;
  drain();
  state.door->stop.raise();
  // Ends Poco's wait for connections, which would last 250 ms, without taking the descriptor from under it.
  ::shutdown(state.socket->impl()->sockfd(), SHUT_RDWR);
  state.server->stop();
  state.pool->joinAll();
  state.server.reset();
  state.pool.reset();
  state.socket.reset();
  answer_late(*state.door);
  if (!state.door->links->close_all(state.options.limits.link_close + std::chrono::seconds(1))) {
    log::warning("net", "some connections did not end; their reactors may have stopped too early");
  }
  state.door->loop.stop();
}

FrontDoorFigures FrontDoor::figures() const {
  const auto& door = *state_->door;
  FrontDoorFigures figures;
  figures.requests = door.requests;
  figures.refused = door.refused;
  const auto present = door.peers.count();
  figures.workers_busy = door.busy;
  figures.waiting = present - std::min(present, figures.workers_busy);
  figures.links = door.links->count();
  figures.detached_answers = static_cast<std::size_t>(std::max(0, door.answers.open()));
  return figures;
}

}  // namespace lectern::net
