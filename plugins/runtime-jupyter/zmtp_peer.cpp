#include "zmtp_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "../jupyter-messages/clock.hpp"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/plugin.hpp"

namespace jupyter::zmtp {
using lectern::sdk::Failure;
namespace {

constexpr std::int64_t connect_again_ms = 10;    // the kernel binds half a second from now: do not sleep past it
constexpr std::int64_t after_trouble_ms = 200;   // no descriptors, or no ZMTP there
constexpr std::int64_t handshake_ms = 30'000;    // libzmq's; whoever does not greet is no kernel
constexpr std::size_t read_at_once = 4u << 20u;  // of one line; the others get their turn
// What a kernel publishes while this thread gets no processor waits in the system, up to here and to what the system
// allows; beyond, libzmq drops it (a thousand messages past its own buffer).
constexpr int published_bytes = 4 << 20;

int new_socket(SocketType type) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw Failure(LECTERN_UNAVAILABLE, std::string("no socket for a kernel: ") + std::strerror(errno));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (type == SocketType::sub) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &published_bytes, sizeof published_bytes);
  return fd;
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

Peer::Peer(Watcher& watcher, std::uint64_t owner, unsigned slot, PeerOptions options)
    : watcher_(watcher), owner_(owner), slot_(slot), options_(std::move(options)) {
  connect(now_ms());
}

Peer::~Peer() {
  watched_ = {};
  if (fd_ >= 0) ::close(fd_);
}

void Peer::connect(std::int64_t now) {
  fd_ = new_socket(options_.type);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
  const bool made = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (!made && errno != EINPROGRESS) return disconnect(now + connect_again_ms);
  try {
    watched_ = {watcher_, fd_, owner_, slot_};
  } catch (...) {
    ::close(std::exchange(fd_, -1));
    throw;
  }
  due_ms_ = now + handshake_ms;
  watched_.also_writing(true);
}

void Peer::connect_again(std::int64_t now) {
  try {
    connect(now);
  } catch (const Failure&) {  // no descriptors left; that the kernel is not reached is told by its missing heartbeat
    due_ms_ = now + after_trouble_ms;
  }
}

void Peer::disconnect(std::int64_t due_ms) {
  watched_ = {};
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  while (auto message = decoder_.next()) read_.push_back(std::move(*message));
  dropped_ += decoder_.dropped();
  decoder_ = {};
  open_ = introduced_ = subscribed_ = false;
  std::string().swap(first_);
  first_written_ = 0;
  written_ = 0;  // of a message that it has not got whole: said anew
  due_ms_ = due_ms;
}

void Peer::send(std::string message) {
  if (!waiting_.empty() && message.size() + waiting_bytes_ > most_waiting_bytes) {
    throw Failure(LECTERN_UNAVAILABLE, "the kernel takes nothing, and too much waits for it already",
                  "interrupt or restart it");
  }
  waiting_bytes_ += message.size();
  waiting_.push_back(std::move(message));
  // A connection that is lost is seen by whoever watches it, too, and dealt with there.
  if (subscribed_ && first_.empty() && waiting_.size() == 1) (void)write();
}

void Peer::serve(std::int64_t now) {
  if (fd_ < 0) {
    if (now >= due_ms_) connect_again(now);
    return;
  }
  if (!open_) {
    if (established()) {
      open();
    } else if (errno != EINPROGRESS || now >= due_ms_) {
      return disconnect(now + connect_again_ms);
    }
  }
  if (!open_) return;
  if (!read()) return disconnect(now + (decoder_.problem().empty() ? connect_again_ms : after_trouble_ms));
  if (!write()) return disconnect(now + connect_again_ms);
  if (decoder_.is_ready()) {
    due_ms_ = never;
  } else if (now >= due_ms_) {
    disconnect(now + connect_again_ms);
  }
}

/// False with errno: EINPROGRESS while it may still be.
bool Peer::established() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return false;
  if (error != 0) {
    errno = error;
    return false;
  }
  sockaddr_in peer{};
  socklen_t peer_size = sizeof peer;
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0) return true;
  if (errno == ENOTCONN) errno = EINPROGRESS;
  return false;
}

void Peer::open() {
  open_ = true;
  first_ = greeting();
}

/// Before anything of it is looked at: what a kernel publishes faster than it is read, it drops.
bool Peer::read() {
  std::array<char, 65'536> bytes;
  for (std::size_t sum = 0; sum < read_at_once;) {
    const auto count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return would_block(errno);
    bytes_read_ += static_cast<std::uint64_t>(count);
    if (count == 0 || !take({bytes.data(), static_cast<std::size_t>(count)})) return false;
    if (static_cast<std::size_t>(count) < bytes.size()) break;
    sum += static_cast<std::size_t>(count);
  }
  return true;
}

bool Peer::take(std::string_view bytes) {
  if (!decoder_.take(bytes)) {
    if (!std::exchange(complained_, true)) {
      lectern::sdk::log_error("what listens on port " + std::to_string(options_.port) +
                              " of a kernel cannot be spoken with: " + decoder_.problem());
    }
    return false;
  }
  if (decoder_.greeted() && !std::exchange(introduced_, true)) first_ += ready(options_.type, options_.identity);
  if (decoder_.is_ready() && !std::exchange(subscribed_, true) && options_.type == SocketType::sub) {
    first_ += subscribe_to_all();
  }
  first_ += decoder_.take_answers();
  return true;
}

std::optional<Message> Peer::next() {
  if (read_.empty()) return decoder_.next();
  std::optional<Message> first(std::move(read_.front()));
  read_.pop_front();
  return first;
}

Peer::Put Peer::put(const std::string& bytes, std::size_t& written) const {
  while (written < bytes.size()) {
    const auto count = ::send(fd_, bytes.data() + written, bytes.size() - written, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return would_block(errno) ? Put::some : Put::lost;
    written += static_cast<std::size_t>(count);
  }
  return Put::all;
}

/// What it can. False when the connection is lost.
bool Peer::write() {
  auto result = Put::all;
  while (result == Put::all) {
    if (written_ == 0 && !first_.empty()) {  // never within a message
      result = put(first_, first_written_);
      if (result != Put::all) break;
      first_.clear();
      first_written_ = 0;
    } else if (subscribed_ && !waiting_.empty()) {
      result = put(waiting_.front(), written_);
      if (result != Put::all) break;
      waiting_bytes_ -= waiting_.front().size();
      waiting_.pop_front();
      written_ = 0;
    } else {
      break;
    }
  }
  watched_.also_writing(result == Put::some);
  return result != Put::lost;
}

}  // namespace jupyter::zmtp
