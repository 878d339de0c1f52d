#include "net/sync_reader.hpp"

#include <poll.h>

#include <array>
#include <cerrno>

#include "base/clock.hpp"

namespace lectern::net {

Waited SyncReader::wait(Want want, std::int64_t deadline_ms) {
  for (;;) {
    const auto left = deadline_ms - clock::now_ms();
    if (left <= 0) return Waited::timeout;
    std::array<pollfd, 2> set{};
    set[0] = {wire_.fd(), static_cast<short>(want == Want::write ? POLLOUT : POLLIN), 0};
    set[1] = {stop_.fd(), POLLIN, 0};
    const int count = ::poll(set.data(), set.size(), static_cast<int>(left));
    if (count < 0 && errno != EINTR) return Waited::failed;
    if (count <= 0) continue;
    if (set[0].revents != 0) return Waited::ready;
    return Waited::stopped;
  }
}

Waited SyncReader::fill(std::int64_t deadline_ms) {
  for (;;) {
    const auto old = buffer_.size();
    constexpr std::size_t step = 8192;
    buffer_.resize(old + step);
    const auto io = wire_.read(buffer_.data() + old, step);
    buffer_.resize(old + io.bytes);
    if (io.bytes > 0) return Waited::ready;
    if (io.end) return Waited::peer_closed;
    if (io.failed) return Waited::failed;
    if (const auto waited = wait(io.want, deadline_ms); waited != Waited::ready) return waited;
  }
}

Waited SyncReader::write(std::string_view bytes, std::int64_t deadline_ms) {
  while (!bytes.empty()) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    const auto io = wire_.write({&part, 1});
    if (io.failed) return Waited::failed;
    bytes.remove_prefix(io.bytes);
    if (io.want == Want::nothing) continue;
    if (const auto waited = wait(io.want, deadline_ms); waited != Waited::ready) return waited;
  }
  return Waited::ready;
}

}  // namespace lectern::net
