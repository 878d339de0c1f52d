#include "net/detached_answers.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "net/async_wire.hpp"

namespace lectern::net {
namespace {

using boost::system::error_code;
constexpr auto write_patience = std::chrono::seconds(20);
constexpr auto linger_patience = std::chrono::seconds(2);
constexpr std::size_t linger_bytes = 8u << 20;
constexpr std::size_t bytes_per_turn = 1u << 20;

}  // namespace

struct DetachedAnswers::Shared {
  explicit Shared(Loop& of) : loop(&of) {}
  std::atomic<int> open{0};
  std::unordered_map<const void*, std::shared_ptr<Answer>> waiting;  // for a piece of their bodies; on the loop
  std::mutex mutex;                                                  // of what follows
  Loop* loop;                                                        // null: it has stopped
};

class DetachedAnswers::Answer : public std::enable_shared_from_this<Answer> {
 public:
  Answer(std::shared_ptr<Shared> shared, Loop& loop, Wire wire, std::string head, Body body)
      : shared_(std::move(shared)),
        loop_(loop),
        wire_(loop.context(), std::move(wire)),
        timer_(loop),
        head_(std::move(head)),
        body_(std::move(body.bytes)),
        source_(std::move(body.source)),
        left_(source_ ? source_->size() : 0) {}
  ~Answer() { --shared_->open; }

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
    if (left_ > 0) return ask();
    wire_.wire().finish();
    timer_.start(linger_patience, [self = weak_from_this()] {
      if (auto answer = self.lock()) answer->end();
    });
    drain();
  }

 private:
  /// Whoever makes the piece may do so when the loop is gone: `waiting` alone holds this answer meanwhile.
  void ask() {
    timer_.cancel();
    const void* const key = this;
    shared_->waiting.emplace(key, shared_from_this());
    source_->next([shared = shared_, key](std::string piece) {
      const std::scoped_lock lock(shared->mutex);
      if (shared->loop == nullptr) return;
      shared->loop->post([shared, key, piece = std::move(piece)]() mutable {
        const auto asked = shared->waiting.extract(key);
        if (!asked.empty()) asked.mapped()->take(std::move(piece));
      });
    });
  }

  void take(std::string piece) {
    if (piece.empty() || piece.size() > left_) return end();  // short of its Content-Length: the peer knows
    left_ -= piece.size();
    head_.clear();
    body_ = std::make_shared<const std::string>(std::move(piece));
    sent_ = 0;
    write();
  }

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

  const std::shared_ptr<Shared> shared_;
  Loop& loop_;
  AsyncWire wire_;
  Timer timer_;
  std::string head_;
  std::shared_ptr<const std::string> body_;  // or the piece of it that is sent now
  const std::shared_ptr<api::BodySource> source_;
  std::uint64_t left_;  // bytes of the source that were not asked for yet
  std::size_t sent_ = 0;
  std::size_t drained_ = 0;
};

DetachedAnswers::DetachedAnswers(Loop& loop) : loop_(loop), shared_(std::make_shared<Shared>(loop)) {}

DetachedAnswers::~DetachedAnswers() {
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->loop = nullptr;
  }
  const auto never_finished = std::exchange(shared_->waiting, {});
}

int DetachedAnswers::open() const {
  return shared_->open.load();
}

void DetachedAnswers::send(Wire wire, std::string head, std::shared_ptr<const std::string> body) {
  send(std::move(wire), std::move(head), Body{std::move(body), nullptr});
}

void DetachedAnswers::send(Wire wire, std::string head, std::shared_ptr<api::BodySource> source) {
  send(std::move(wire), std::move(head), Body{nullptr, std::move(source)});
}

void DetachedAnswers::send(Wire wire, std::string head, Body body) {
  ++shared_->open;
  loop_.post([&loop = loop_, shared = shared_, wire = std::move(wire), head = std::move(head),
              body = std::move(body)]() mutable {
    std::shared_ptr<Answer> answer;
    try {
      answer = std::make_shared<Answer>(shared, loop, std::move(wire), std::move(head), std::move(body));
    } catch (const std::exception&) {
      --shared->open;  // the Answer never came to be
      return;
    }
    answer->write();
  });
}

}  // namespace lectern::net
