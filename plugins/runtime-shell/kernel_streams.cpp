#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "kernel.hpp"
#include "readers.hpp"

namespace shell {
namespace {

constexpr std::size_t longest_line = 4096;  // on the control pipe: more is no answer of ours
constexpr std::size_t longest_prompt = 512;

std::size_t waiting_in(int fd) {
  int count = 0;
  return ::ioctl(fd, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

}  // namespace

void Kernel::read_control() {
  char block[4096];
  const auto count = ::read(process_->control.get(), block, sizeof block);
  if (count <= 0) {
    if (count == 0) process_->control.reset();  // the shell is ending: its descriptor says when it has
    return;
  }
  control_.append(block, static_cast<std::size_t>(count));
  bool written = false, prompted = false;
  std::optional<int> status;
  std::size_t at = 0;
  for (auto end = control_.find('\n'); end != std::string::npos; end = control_.find('\n', at)) {
    const auto line = std::string_view(control_).substr(at, end - at);
    if (const auto answer = answer_in(line)) {
      // A question asked twice is answered twice: the second time of what we ran after it.
      if (answer->run == run_ && !status) status = answer->status;
      writing_down_ = true;
      written = prompted = false;
    } else if (!line.empty()) {
      // The first prompt after an answer is that question's own. Taken for the next run's, it would have that one asked
      // about twice, all variables written down twice, and so on for the run after it.
      (writing_down_ && !written ? written : prompted) = true;
    }
    at = end + 1;
  }
  control_.erase(0, at);
  // A prompt of the cell's own making has no line end.
  if (!control_.empty() && control_.front() != 'S') (writing_down_ && !written ? written : prompted) = true;
  if (control_.size() > longest_line) control_.clear();
  if (written || prompted) written_down();
  if (phase_ == Phase::starting) {
    if (status) return become_ready();
    if (prompted) ask();
  } else if (phase_ == Phase::running) {
    if (status) {
      run_ended(*status);
      return next();
    }
    if (prompted) ask();
  }
}

bool Kernel::read_stream(int fd, std::string_view name, Utf8& text, std::size_t at_most) {
  block_.resize(stream_block);
  const auto count = ::read(fd, block_.data(), std::min(at_most, block_.size()));
  if (count < 0) return errno == EINTR;
  if (count == 0) {
    (name == "stdout" ? process_->out : process_->err).reset();  // everybody closed it
    return false;
  }
  tell_stream(name, text.take(std::string_view(block_.data(), static_cast<std::size_t>(count))));
  return true;
}

/// What lies in the pipes now, and no more: something in the background may go on writing for ever.
void Kernel::read_rest() {
  if (!process_) return;
  const auto all = [&](Fd& fd, std::string_view name, Utf8& text) {
    for (auto left = fd.get() < 0 ? 0 : waiting_in(fd.get()); left > 0;) {
      const auto piece = std::min(left, stream_block);
      if (!read_stream(fd.get(), name, text, piece)) return;
      left -= piece;
    }
  };
  all(process_->out, "stdout", out_text_);
  all(process_->err, "stderr", err_text_);
}

void Kernel::flush_text() {
  tell_stream("stdout", out_text_.finish());
  tell_stream("stderr", err_text_.finish());
}

void Kernel::tell_stream(std::string_view name, const std::string& text) {
  if (text.empty()) return;
  const auto newline = text.rfind('\n');
  if (newline != std::string::npos) line_.clear();
  line_ += newline == std::string::npos ? text : text.substr(newline + 1);
  if (line_.size() > longest_prompt) line_.clear();
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_STREAM;
  event.execution = last_execution_;
  event.name = name;
  event.text = text;
  send(event);
}

void Kernel::watch_input() {
  const auto now = now_ms();
  if (asked_input_ || !input_.empty() || now - looked_ms_ < look_for_readers_ms) return;
  looked_ms_ = now;
  // In this order: who sits in a read of an empty pipe after that waits for us, and has not merely not woken up yet.
  if (process_->input_unread() || !somebody_reads(process_->pid(), process_->input_pipe())) return;
  read_rest();  // the question was written before the answer was waited for
  asked_input_ = true;
  waits_for_input_ = true;
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_INPUT;
  event.execution = last_execution_;
  event.text = line_;
  send(event);
}

void Kernel::feed_input() {
  if (input_.empty() || !process_) return;
  input_.erase(0, process_->feed(input_));
}

}  // namespace shell
