#include "session/referee.hpp"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace lectern::session {
namespace {

constexpr auto patience_at_the_end = std::chrono::milliseconds(500);

std::int64_t cpu_us(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return 0;
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
}

}  // namespace

struct Referee::State {
  struct Seat {  // one thread's place; retired when the thread was given up
    std::thread thread;
    Ruling* running = nullptr;
    bool retired = false;
    bool finished = false;
  };
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<RulingPtr> queue;
  std::list<std::shared_ptr<Seat>> seats;
  std::uint64_t replaced = 0;
  bool stopping = false;

  static void seat_somebody(const std::shared_ptr<State>& state) {  // with the mutex held
    auto seat = std::make_shared<Seat>();
    state->seats.push_back(seat);
    seat->thread = std::thread([state, seat] { run(*state, *seat); });
  }

  static RulingPtr take(State& state, Seat& seat) {
    std::unique_lock lock(state.mutex);
    seat.running = nullptr;
    state.wake.wait(lock, [&] { return seat.retired || state.stopping || !state.queue.empty(); });
    if (seat.retired || state.queue.empty()) return nullptr;
    auto ruling = std::move(state.queue.front());
    state.queue.pop_front();
    seat.running = ruling.get();
    return ruling;
  }

  static void run(State& state, Seat& seat) {
    pthread_setname_np(pthread_self(), "referee");
    while (auto ruling = take(state, seat)) decide(*ruling);
    const std::scoped_lock lock(state.mutex);
    seat.finished = true;
    state.wake.notify_all();
  }

  static void decide(Ruling& ruling) {
    pthread_getcpuclockid(pthread_self(), &ruling.cpu_clock);
    ruling.cpu_started_us = cpu_us(ruling.cpu_clock);
    const auto started = clock::now_us();
    ruling.started_us.store(started, std::memory_order_release);
    ruling.phase.store(Ruling::Phase::running, std::memory_order_release);
    auto outcome = ruling.policy->reduce(ruling.state, ruling.room, ruling.event);
    auto expected = Ruling::Phase::running;
    // The writes to `outcome` come before the exchange only for the winner: a session that gave up never reads them.
    ruling.outcome = std::move(outcome);
    ruling.took_us = clock::now_us() - started;
    if (!ruling.phase.compare_exchange_strong(expected, Ruling::Phase::done, std::memory_order_acq_rel)) return;
    ruling.loop->post(std::move(ruling.done));
  }
};

Referee::Referee() : state_(std::make_shared<State>()) {
  const std::scoped_lock lock(state_->mutex);
  State::seat_somebody(state_);
}

Referee::~Referee() {
  close();
}

void Referee::close() {
  std::list<std::shared_ptr<State::Seat>> seats;
  std::deque<RulingPtr> undecided;
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
    undecided.swap(state_->queue);
    seats.swap(state_->seats);
    state_->wake.notify_all();
  }
  for (auto& seat : seats) {
    bool stuck = false;
    {
      std::unique_lock lock(state_->mutex);
      const bool ended = state_->wake.wait_for(lock, patience_at_the_end, [&] { return seat->finished; });
      // Whoever changes the phase first has it: given up here, the thread will never post to a loop that is gone.
      auto expected = Ruling::Phase::running;
      stuck = !ended && (seat->retired || (seat->running != nullptr &&
                                           seat->running->phase.compare_exchange_strong(
                                               expected, Ruling::Phase::given_up, std::memory_order_acq_rel)));
    }
    if (stuck) {
      seat->thread.detach();
    } else {
      seat->thread.join();
    }
  }
}

void Referee::submit(RulingPtr ruling) {
  const std::scoped_lock lock(state_->mutex);
  if (state_->stopping) return;
  state_->queue.push_back(std::move(ruling));
  state_->wake.notify_all();
}

bool Referee::give_up_when_late(Ruling& ruling, int budget_ms) {
  const auto budget_us = static_cast<std::int64_t>(budget_ms) * 1000;
  const std::scoped_lock lock(state_->mutex);
  if (state_->stopping || ruling.phase.load(std::memory_order_acquire) != Ruling::Phase::running) return false;
  std::shared_ptr<State::Seat> seat;
  for (const auto& candidate : state_->seats) {
    if (candidate->running == &ruling) seat = candidate;
  }
  if (!seat) return false;
  const auto wall = clock::now_us() - ruling.started_us.load(std::memory_order_acquire);
  const auto own = cpu_us(ruling.cpu_clock) - ruling.cpu_started_us;
  if (wall < budget_us || (own < budget_us * 9 / 10 && wall < 4 * budget_us)) return false;
  auto expected = Ruling::Phase::running;
  if (!ruling.phase.compare_exchange_strong(expected, Ruling::Phase::given_up, std::memory_order_acq_rel)) return false;
  seat->retired = true;
  ++state_->replaced;
  log::warning("referee", "policy " + ruling.policy->id() + " overstayed its " + std::to_string(budget_ms) +
                              " ms; its answer is dropped and its thread replaced");
  State::seat_somebody(state_);
  return true;
}

std::uint64_t Referee::replaced() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->replaced;
}

}  // namespace lectern::session
