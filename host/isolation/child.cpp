#include "isolation/child.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace lectern::isolation {

namespace {

constexpr std::int64_t first_rest_ms = 200, longest_rest_ms = 30'000, forgiven_after_ms = 60'000;
constexpr Deadline to_make{5000, 20'000};

template <std::size_t N>
void put(char (&to)[N], std::string_view from) {
  const auto n = std::min(from.size(), N - 1);
  std::memcpy(to, from.data(), n);
  to[n] = '\0';
}

lectern_status take_nothing(std::string_view) {
  return LECTERN_INTERNAL;
}

}  // namespace

void Lives::died(const std::string& blame) {
  const std::scoped_lock lock(mutex_);
  const auto now = clock::now_ms();
  deaths_ = now - died_ms_ > forgiven_after_ms ? 1 : deaths_ + 1;
  died_ms_ = now;
  const auto doublings = std::min<std::uint64_t>(deaths_ < 2 ? 0 : deaths_ - 2, 10);
  rests_until_ms_ = deaths_ < 2 ? now : now + std::min(longest_rest_ms, first_rest_ms << doublings);
  last_death_ = blame;
  log::debug("plugin " + id_, blame);
}

void Lives::started_again() {
  const std::scoped_lock lock(mutex_);
  ++restarts_;
}

Status Lives::rested(int patience_ms) const {
  for (const auto give_up_ms = clock::now_ms() + patience_ms;;) {
    std::int64_t rest = 0;
    {
      const std::scoped_lock lock(mutex_);
      rest = rests_until_ms_ - clock::now_ms();
      if (rest > 0 && clock::now_ms() + rest > give_up_ms) {
        return fail(503, "plugin_resting",
                    "its process died " + std::to_string(deaths_) + " times in a row and is started again in " +
                        std::to_string(rest) + " ms; the last time, " + last_death_,
                    "This is a fault of the plugin " + id_ + ".");
      }
    }
    if (rest <= 0) return {};
    std::mutex nobodys;
    std::unique_lock lock(nobodys);
    std::condition_variable().wait_for(lock, std::chrono::milliseconds(rest));
  }
}

std::string Lives::last_death() const {
  const std::scoped_lock lock(mutex_);
  return last_death_;
}

std::uint64_t Lives::restarts() const {
  const std::scoped_lock lock(mutex_);
  return restarts_;
}

Child::Child(const Launch& launch, Op make, Lives& lives, NewsSink on_news)
    : launch_(launch), make_(make), lives_(lives), on_news_(std::move(on_news)) {}

void Child::adopt(std::string_view news) {
  if (!news.empty() && on_news_) on_news_(steps_.step(News::read(news)));
}

void Child::buried(const Error& error) {
  put_to_sleep();
  died_ = true;
  lives_.died(error.message);
}

void Child::put_to_sleep() {
  process_.reset();
  pid_ = 0;
}

Result<std::string> Child::start() {
  LECTERN_TRY(process_, Process::start(launch_));
  pid_ = process_->pid();
  steps_.begin_anew();
  Unpacker from(process_->ready());
  adopt(from.text());
  if (!from.ok()) return fail(422, "bad_entry", launch_.id + " announced what makes no sense");
  return std::string(from.rest());
}

Status Child::wake(int patience_ms) {
  if (runs()) return {};
  LECTERN_CHECK(lives_.rested(patience_ms));
  if (auto started = start(); !started) {
    buried(started.error());
    return fail(started.error());
  }
  for (auto& [number, object] : objects_) LECTERN_CHECK(make_again(number, object));
  if (std::exchange(died_, false)) lives_.started_again();
  return {};
}

Result<std::string> Child::call(std::string_view request, std::string_view shared, Deadline deadline,
                                std::uint32_t most_bytes,
                                const std::function<lectern_status(std::string_view)>& on_records) {
  if (!runs()) return fail(500, "plugin_died", "its process is gone");
  auto done = process_->call(request, shared, deadline, most_bytes, on_records);
  if (!done) {
    if (done.error().code == "plugin_died") buried(done.error());
    return done;
  }
  Unpacker from(*done);
  adopt(from.text());
  done->erase(0, done->size() - from.rest().size());
  return done;
}

Result<std::string> Child::call(std::string_view request, Deadline deadline) {
  return call(request, {}, deadline, most_small, &take_nothing);
}

lectern_status Child::make(std::uint64_t number, std::string_view config, lectern_error& error) {
  Packer to;
  to.number(make_);
  to.number(number);
  to.text(config);
  const auto done = call(to.bytes(), to_make);
  if (!done) return blame(done.error(), error);
  Unpacker from(*done);
  const auto status = unpack_end(from, error);
  if (status == LECTERN_OK) objects_[number].config = config;
  return status;
}

// An error only when the process is gone. A refusal is this object's alone: the others are made all the same.
Status Child::make_again(std::uint64_t number, Object& object) {
  Packer to;
  to.number(make_);
  to.number(number);
  to.text(std::string_view(object.config));
  object.members.clear();
  LECTERN_TRY(const auto done, call(to.bytes(), to_make));
  Unpacker from(done);
  lectern_error error{};
  object.refusal.clear();
  if (unpack_end(from, error) == LECTERN_OK) return {};
  const std::string_view said(error.message, ::strnlen(error.message, sizeof error.message));
  object.refusal = "its new process did not take the settings that the old one took";
  if (!said.empty()) object.refusal += ": " + text::label(said, 400);
  log::warning("plugin " + launch_.id, object.refusal);
  return {};
}

Object* Child::object(std::uint64_t number) {
  const auto at = objects_.find(number);
  return at == objects_.end() ? nullptr : &at->second;
}

void Child::let_go(std::uint64_t number, Op destroy) {
  if (objects_.erase(number) == 0 || !runs()) return;
  Packer to;
  to.number(destroy);
  to.number(number);
  (void)call(to.bytes(), to_make);
}

Status Child::ask_news(Deadline deadline) {
  if (!runs()) return {};
  const auto told = process_->ping(deadline);
  if (!told) {
    buried(told.error());
    return fail(told.error());
  }
  adopt(*told);
  return {};
}

lectern_status blame(const Error& error, lectern_error& to) {
  put(to.message, error.message);
  put(to.hint, error.hint);
  if (error.code == "too_large") return LECTERN_TOO_LARGE;
  return error.status == 503 ? LECTERN_UNAVAILABLE : LECTERN_INTERNAL;
}

}  // namespace lectern::isolation
