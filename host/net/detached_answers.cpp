#include "net/detached_answers.hpp"

#include <array>

#include "net/async_wire.hpp"

namespace lectern::net {
namespace {

using boost::system::error_code;
constexpr auto write_patience = std::chrono::seconds(20);
constexpr auto linger_patience = std::chrono::seconds(2);
constexpr std::size_t linger_bytes = 8u << 20;
constexpr std::size_t bytes_per_turn = 1u << 20;

class Answer : public std::enable_shared_from_this<Answer> {
 public:
  Answer(Loop& loop, Wire wire, std::string head, std::shared_ptr<const std::string> body,
         std::shared_ptr<std::atomic<int>> open)
      : loop_(loop),
        wire_(loop.context(), std::move(wire)),
        timer_(loop),
        head_(std::move(head)),
        body_(std::move(body)),
        open_(std::move(open)) {}
  ~Answer() { --*open_; }

  void write() {
    const auto body_size = body_ ? body_->size() : 0;
    const auto total = head_.size() + body_size;
    std::size_t this_turn = 0;
    while (sent_ < total) {
      if (this_turn >= bytes_per_turn) return loop_.post([self = shared_from_this()] { self->write(); });
      std::array<iovec, 2> parts{};
      std::size_t count = 0;
      if (sent_ < head_.size()) parts[count++] = {head_.data() + sent_, head_.size() - sent_};
      const auto body_at = sent_ > head_.size() ? sent_ - head_.size() : 0;
      if (body_at < body_size) parts[count++] = {const_cast<char*>(body_->data()) + body_at, body_size - body_at};
      const auto io = wire_.wire().write({parts.data(), count});
      if (io.failed) return end();
      if (io.want != Want::nothing) {
        timer_.start(write_patience, [self = weak_from_this()] {
          if (auto answer = self.lock()) answer->end();
        });
        return wire_.wait(io.want, [self = shared_from_this()](error_code error) {
          if (!error) self->write();
        });
      }
      sent_ += io.bytes;
      this_turn += io.bytes;
    }
    wire_.wire().finish();
    timer_.start(linger_patience, [self = weak_from_this()] {
      if (auto answer = self.lock()) answer->end();
    });
    drain();
  }

 private:
  void drain() {
    std::array<char, 16384> waste;
    for (int rounds = 0; rounds < 16; ++rounds) {
      const auto io = wire_.wire().read(waste.data(), waste.size());
      drained_ += io.bytes;
      if (io.end || io.failed || drained_ > linger_bytes) return end();
      if (io.want != Want::nothing) break;
    }
    wire_.wait(Want::read, [self = shared_from_this()](error_code error) {
      if (!error) self->drain();
    });
  }

  void end() {
    timer_.cancel();
    wire_.close();
  }

  Loop& loop_;
  AsyncWire wire_;
  Timer timer_;
  std::string head_;
  std::shared_ptr<const std::string> body_;
  std::shared_ptr<std::atomic<int>> open_;
  std::size_t sent_ = 0;
  std::size_t drained_ = 0;
};

}  // namespace

void DetachedAnswers::send(Wire wire, std::string head, std::shared_ptr<const std::string> body) {
  ++*open_;
  loop_.post(
      [&loop = loop_, open = open_, wire = std::move(wire), head = std::move(head), body = std::move(body)]() mutable {
        std::shared_ptr<Answer> answer;
        try {
          answer = std::make_shared<Answer>(loop, std::move(wire), std::move(head), std::move(body), open);
        } catch (const std::exception&) {
          --*open;  // the Answer never came to be
          return;
        }
        answer->write();
      });
}

}  // namespace lectern::net
