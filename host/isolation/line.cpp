#include "isolation/line.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace lectern::isolation {

namespace {

constexpr std::size_t most_queued = 256u << 20;
constexpr std::int64_t beat_ms = 5000;
constexpr std::int64_t to_stop_ms = 8000;  // for what it is at work on, and to free the object
constexpr Deadline to_make{5000, 20'000};
constexpr std::size_t call_head = frame_head + sizeof(Op) + sizeof(Lane);

lectern_status take_nothing(std::string_view) {
  return LECTERN_INTERNAL;
}

}  // namespace

Packer call_frame(Op op, Lane lane) {
  Packer to;
  to.bytes().assign(frame_head, '\0');
  to.number(op);
  to.number(lane);
  return to;
}

std::string_view call_arguments(std::string_view frame) {
  return frame.substr(std::min(frame.size(), call_head));
}

Line::Bell::Bell() : fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
Line::Bell::~Bell() {
  ::close(fd);
}
void Line::Bell::ring() const {
  (void)::eventfd_write(fd, 1);
}

Line::Line(Plan plan, Lives& lives, NewsSink on_news)
    : plan_(std::move(plan)),
      lives_(lives),
      on_news_(std::move(on_news)),
      bell_(std::make_shared<Bell>()),
      flow_(std::make_shared<Flow>([bell = bell_] { bell->ring(); })),
      thread_([this] { run(); }) {}

Line::~Line() {
  end();
}

void Line::end() {
  const std::scoped_lock once(ending_);
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  bell_->ring();
  thread_.join();
}

Status Line::hand_over(ItemPtr item) {
  item->handed_over_us = clock::now_us();
  if (item->frame.size() - frame_head > most_to_child)
    return fail(413, "too_large", "the call has more than 4 GiB", "Send less at once.");
  const auto length = static_cast<std::uint32_t>(item->frame.size() - frame_head);
  std::memcpy(item->frame.data(), &length, sizeof length);
  item->frame[4] = static_cast<char>(item->is_ping ? FrameType::ping : FrameType::call);
  {
    const std::scoped_lock lock(mutex_);
    // One of any size is taken when nothing waits: what is too large for the plugin, its own limits say.
    if (stop_ || (queued_bytes_ != 0 && queued_bytes_ + item->frame.size() > most_queued))
      return fail(503, "plugin_busy", "too much waits for the process of " + plan_.launch.id + " already",
                  "Try it again; or trust the plugin with `lectern plugins trust`.");
    queued_bytes_ += item->frame.size();
    item->counted = true;
    queue_.push_back(std::move(item));
  }
  bell_->ring();
  return {};
}

Status Line::hand_over(Packer call, Done done, Lane lane, bool wakes) {
  auto item = std::make_unique<Item>();
  item->frame = std::move(call.bytes());
  item->done = std::move(done);
  item->lane = lane;
  item->wakes = wakes;
  return hand_over(std::move(item));
}

Line::Reply Line::call(Packer call, Lane lane, bool wakes) {
  std::promise<Reply> promise;
  auto answer = promise.get_future();
  const auto handed = hand_over(
      std::move(call), [promise = std::move(promise)](Reply&& reply) mutable { promise.set_value(std::move(reply)); },
      lane, wakes);
  if (!handed) return {fail(handed.error()), {}, 0};
  return answer.get();
}

Status Line::begin(lectern_status& status, lectern_error& error) {
  // Any call that wakes it says whether there is an object; a ping touches nothing of the plugin's.
  auto item = std::make_unique<Item>();
  std::promise<Result<std::string>> promise;
  auto answer = promise.get_future();
  item->frame.assign(frame_head, '\0');
  item->is_ping = item->wakes = true;
  item->done = [this, &status, &error, promise = std::move(promise)](Reply&& reply) mutable {
    status = refused_as_;
    error = refusal_;
    promise.set_value(std::move(reply.said));
  };
  LECTERN_CHECK(hand_over(std::move(item)));
  const auto said = answer.get();
  return said ? Status{} : Status(fail(said.error()));
}

bool Line::ping() {
  if (pid() == 0) return false;
  auto item = std::make_unique<Item>();
  std::promise<bool> promise;
  auto answer = promise.get_future();
  item->frame.assign(frame_head, '\0');
  item->is_ping = true;
  item->done = [promise = std::move(promise)](Reply&& reply) mutable { promise.set_value(reply.said.has_value()); };
  return hand_over(std::move(item)) && answer.get();
}

void Line::run() {
  pthread_setname_np(pthread_self(), "plugin-line");
  for (;;) {
    if (!take_queue()) break;
    if (process_ != nullptr) write_some();
    wait();
    if (process_ != nullptr) read_some();
    if (process_ != nullptr) look_at_clocks();
  }
  pid_ = 0;
  process_.reset();
}

/// False: it is over.
bool Line::take_queue() {
  bool stop = false;
  for (;;) {
    ItemPtr item;
    {
      const std::scoped_lock lock(mutex_);
      stop = stop_;
      if (queue_.empty()) break;
      item = std::move(queue_.front());
      queue_.pop_front();
    }
    if (stop) {
      answer(*item, fail(503, "plugin_resting", "it is being ended"));
      continue;
    }
    accept(std::move(item));
  }
  if (!stop) return true;
  if (!stopping_) {
    stopping_ = true;
    stop_by_ms_ = clock::now_ms() + to_stop_ms;
    if (process_ != nullptr && !plan_.unmake.empty()) {
      auto item = std::make_unique<Item>();
      item->frame = plan_.unmake;
      const auto length = static_cast<std::uint32_t>(item->frame.size() - frame_head);
      std::memcpy(item->frame.data(), &length, sizeof length);
      item->frame[4] = static_cast<char>(FrameType::call);
      item->done = [](Reply&&) {};
      unsent_.push_back(std::move(item));
    }
  }
  return !nothing_to_do();
}

bool Line::nothing_to_do() const {
  return process_ == nullptr || (unsent_.empty() && lanes_[0].flying.empty() && lanes_[1].flying.empty());
}

void Line::accept(ItemPtr item) {
  if (process_ == nullptr) {
    refused_as_ = LECTERN_OK;
    auto awake = item->wakes ? wake() : Status(fail(500, "plugin_died", "its process is gone"));
    if (!awake) return answer(*item, fail(awake.error()));
  }
  unsent_.push_back(std::move(item));
}

Status Line::wake() {
  LECTERN_CHECK(lives_.rested(plan_.patience_ms));
  auto started = Process::start(plan_.launch);
  if (!started) {
    buried(started.error());
    return fail(started.error());
  }
  if (auto made = make_object(**started); !made) {
    if (refused_as_ == LECTERN_OK) buried(made.error());
    return made;
  }
  process_ = std::move(*started);
  inbox_.clear();
  sent_ = 0;
  heard_ms_ = clock::now_ms();
  if (std::exchange(died_, false)) lives_.started_again();
  return {};
}

Status Line::make_object(Process& process) {
  steps_.begin_anew();
  Unpacker ready(process.ready());
  adopt(ready.text());
  (void)ready.text();  // how it was built
  // A runtime is kept by another process; it says itself which it is. Shown, never signalled.
  pid_t pid = process.pid();
  if (plan_.launch.kind == "runtime") pid = ready.number<std::int32_t>();
  LECTERN_TRY(const auto done,
              process.call(std::string_view(plan_.make).substr(frame_head), {}, to_make, most_small, &take_nothing));
  Unpacker from(done);
  adopt(from.text());
  refusal_ = {};
  refused_as_ = unpack_end(from, refusal_);
  if (!from.ok()) return process.died("its process answered what makes no sense");
  if (refused_as_ == LECTERN_OK) {
    pid_ = std::max<pid_t>(pid, 1);
    return {};
  }
  const std::string_view said(refusal_.message, ::strnlen(refusal_.message, sizeof refusal_.message));
  return fail(400, "bad_config", said.empty() ? "it did not take its settings" : std::string(said));
}

void Line::adopt(std::string_view news) {
  if (!news.empty() && on_news_) on_news_(steps_.step(News::read(news)));
}

void Line::wait() {
  std::array<pollfd, 3> on{pollfd{bell_->fd, POLLIN, 0}, pollfd{-1, 0, 0}, pollfd{-1, 0, 0}};
  std::int64_t timeout = -1;
  if (process_ != nullptr) {
    const bool full = flow_->full() && !stopping_;
    const auto events = static_cast<short>((full ? 0 : POLLIN) | (unsent_.empty() ? 0 : POLLOUT));
    if (events != 0) on[1] = {process_->socket(), events, 0};
    on[2] = {process_->log_pipe(), POLLIN, 0};
    const auto now = clock::now_ms();
    timeout = lanes_[0].flying.empty() ? heard_ms_ + beat_ms - now : beat_ms;
    for (const auto& lane : lanes_) {
      if (lane.flying.empty()) continue;
      const auto soft = lane.watch.started_ms + lane.watch.deadline.soft_ms - now;
      timeout = std::min<std::int64_t>(timeout, soft > 0 ? soft : 50);
    }
    timeout = std::clamp<std::int64_t>(timeout, 1, beat_ms);
  }
  if (nothing_to_do() && stopping_) return;
  const int n = ::poll(on.data(), on.size(), static_cast<int>(timeout));
  if (n > 0 && on[0].revents != 0) {
    eventfd_t ignored = 0;
    (void)::eventfd_read(bell_->fd, &ignored);
  }
  if (process_ != nullptr && on[2].revents != 0) process_->drain_log();
}

void Line::write_some() {
  while (!unsent_.empty()) {
    const std::string& frame = unsent_.front()->frame;
    const auto n = ::send(process_->socket(), frame.data() + sent_, frame.size() - sent_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) lost({});
      return;
    }
    sent_ += static_cast<std::size_t>(n);
    if (sent_ < frame.size()) continue;
    sent_ = 0;
    auto& lane = lanes_[static_cast<std::size_t>(unsent_.front()->lane)];
    if (lane.flying.empty())
      lane.watch = process_->watch(unsent_.front()->lane == Lane::quick ? plan_.quick : plan_.slow);
    lane.flying.push_back(std::move(unsent_.front()));
    unsent_.pop_front();
  }
}

void Line::read_some() {
  std::array<char, 64u << 10> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  // A child that never stops sending must not keep us from what else there is to do.
  for (int rounds = 0; rounds < 16 && process_ != nullptr && (stopping_ || !flow_->full()); ++rounds) {
    const auto n = ::recv(process_->socket(), chunk.data(), chunk.size(), 0);
    if (n > 0) {
      inbox_.append(chunk.data(), static_cast<std::size_t>(n));
      heard_ms_ = clock::now_ms();
      take_frames();
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && errno == EAGAIN) {
      return;
    } else {
      return lost({});
    }
  }
}

void Line::take_frames() {
  std::size_t at = 0;
  while (process_ != nullptr && inbox_.size() - at >= frame_head) {
    std::uint32_t length = 0;
    std::memcpy(&length, inbox_.data() + at, sizeof length);
    if (length > plan_.most_bytes) {
      return lost("its process announced a frame of " + std::to_string(length) + " bytes, " +
                  std::to_string(plan_.most_bytes) + " is the most here");
    }
    if (inbox_.size() - at < frame_head + length) break;
    const auto type = static_cast<FrameType>(inbox_[at + 4]);
    std::string payload = inbox_.substr(at + frame_head, length);
    at += frame_head + length;
    take_frame(type, std::move(payload));
  }
  if (process_ != nullptr) inbox_.erase(0, at);
}

void Line::take_frame(FrameType type, std::string payload) {
  switch (type) {
    case FrameType::done:
      return answered(Lane::quick, false, std::move(payload));
    case FrameType::done_slow:
      return answered(Lane::slow, false, std::move(payload));
    case FrameType::pong:
      return answered(Lane::quick, true, std::move(payload));
    case FrameType::event:
      if (!plan_.on_event) return lost("its process told an event, which its kind has not");
      return plan_.on_event(payload, Credit(flow_, payload.size() + 256));
    default:
      return lost("its process answered out of turn");
  }
}

void Line::answered(Lane which, bool is_ping, std::string payload) {
  auto& lane = lanes_[static_cast<std::size_t>(which)];
  if (lane.flying.empty() || lane.flying.front()->is_ping != is_ping)
    return lost("its process answered what it was not asked");
  const ItemPtr item = std::move(lane.flying.front());
  lane.flying.pop_front();
  if (!lane.flying.empty()) lane.watch = process_->watch(which == Lane::quick ? plan_.quick : plan_.slow);
  if (is_ping) {
    adopt(payload);
  } else {
    Unpacker from(payload);
    adopt(from.text());
    if (!from.ok()) {
      answer(*item, fail(500, "plugin_died", "its process answered what makes no sense"));
      return lost("its process answered what makes no sense");
    }
    payload.erase(0, payload.size() - from.rest().size());
  }
  process_->drain_log();  // what was logged during a call comes before what its caller does next
  answer(*item, std::move(payload));
}

void Line::look_at_clocks() {
  const bool full = flow_->full() && !stopping_;
  for (auto& lane : lanes_) {
    if (lane.flying.empty()) continue;
    // Its answer may be there, unread: that we do not read is not its fault.
    if (full) lane.watch = process_->watch(lane.watch.deadline);
    if (auto in_time = process_->in_time(lane.watch); !in_time) return buried(in_time.error());
  }
  if (stopping_ && clock::now_ms() > stop_by_ms_) return lost("it did not end in time");
  if (!unsent_.empty() || !lanes_[0].flying.empty() || stopping_ || clock::now_ms() - heard_ms_ < beat_ms) return;
  auto beat = std::make_unique<Item>();
  beat->frame.assign(frame_head, '\0');
  beat->frame[4] = static_cast<char>(FrameType::ping);
  beat->is_ping = true;
  beat->done = [](Reply&&) {};
  unsent_.push_back(std::move(beat));
  heard_ms_ = clock::now_ms();
}

void Line::lost(const std::string& what) {
  if (process_ == nullptr) return;
  buried(process_->died(what).value());
}

/// The process has ended, or is about to.
void Line::buried(const Error& error) {
  const bool had_object = pid_.exchange(0) != 0;
  died_ = true;
  lives_.died(error.message);
  process_.reset();
  inbox_.clear();
  sent_ = 0;
  std::deque<ItemPtr> unanswered;
  for (auto& lane : lanes_) {
    for (auto& item : lane.flying) unanswered.push_back(std::move(item));
    lane.flying.clear();
  }
  for (auto& item : unsent_) unanswered.push_back(std::move(item));
  unsent_.clear();
  if (had_object && plan_.on_end) plan_.on_end(error.message);
  for (const auto& item : unanswered) answer(*item, fail(error));
}

void Line::answer(Item& item, Result<std::string> said) {
  if (item.counted) {
    const std::scoped_lock lock(mutex_);
    queued_bytes_ -= item.frame.size();
  }
  const auto us = clock::now_us() - item.handed_over_us;
  item.done({std::move(said), std::move(item.frame), us});
}

}  // namespace lectern::isolation
