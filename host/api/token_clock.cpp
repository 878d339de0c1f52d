#include "api/token_clock.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/clock.hpp"

namespace lectern::api {
namespace {

// The wall clock may be set: it is looked at again before long.
constexpr std::int64_t longest_wait_ms = 60'000;

}  // namespace

struct TokenClock::State : std::enable_shared_from_this<State> {
  State(Tokens& known, Loop& on, Workers& helpers, std::function<void(const TokenRecord&)> tell)
      : tokens(known), loop(on), workers(helpers), ended(std::move(tell)), timer(std::make_unique<Timer>(on)) {}

  void arm() {  // on the loop
    if (stopped || !timer) return;
    const auto next = tokens.next_expiry_ms();
    if (next == 0) return timer->cancel();
    const auto wait = std::clamp<std::int64_t>(next - clock::wall_ms(), 0, longest_wait_ms);
    timer->start(std::chrono::milliseconds(wait), [self = weak_from_this()] {
      if (const auto state = self.lock()) state->due();
    });
  }
  void due() {
    workers.submit([self = weak_from_this()] {
      const auto state = self.lock();
      if (!state) return;
      const std::scoped_lock lock(state->mutex);
      if (state->stopped) return;
      for (const auto& record : state->tokens.expire(clock::wall_ms())) state->ended(record);
      state->loop.post([self] {
        if (const auto again = self.lock()) again->arm();
      });
    });
  }

  Tokens& tokens;
  Loop& loop;
  Workers& workers;
  std::function<void(const TokenRecord&)> ended;
  std::unique_ptr<Timer> timer;  // used on the loop only
  std::mutex mutex;              // held while `ended` is called
  std::atomic<bool> stopped{false};
};

TokenClock::TokenClock(Tokens& tokens, Loop& loop, Workers& workers, std::function<void(const TokenRecord&)> ended)
    : state_(std::make_shared<State>(tokens, loop, workers, std::move(ended))) {
  changed();
}

TokenClock::~TokenClock() {
  stop();
}

void TokenClock::changed() {
  state_->loop.post([self = std::weak_ptr(state_)] {
    if (const auto state = self.lock()) state->arm();
  });
}

void TokenClock::stop() {
  const std::scoped_lock lock(state_->mutex);
  state_->stopped = true;
}

}  // namespace lectern::api
