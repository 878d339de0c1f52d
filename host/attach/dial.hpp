// Which of a host's endpoints answers first and proves itself: they are started one after the other, a quarter of a
// second apart or as soon as one has failed, and the first line that opens is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "attach/cool_down.hpp"
#include "attach/line.hpp"

namespace lectern::attach {

/// The endpoints that failed lately, for every dial of this host.
struct Cooling {
  std::mutex mutex;
  CoolDown endpoints;
};

struct DialTimes {
  int total_ms = 3'000;
  int stagger_ms = 250;
};

/// What a dial came to when no endpoint opened: the answer of a host that was reached (401 `not_paired`, 403 `scope`,
/// 404 `remote_session_not_found`, ...) before 504 `remote_unreachable`; both name each endpoint and what it said.
struct Tried {
  std::string endpoint;
  Error error;
};
/// [any] Pure.
Error dial_error(const std::string& device_name, const std::vector<Tried>& tried);

/// Everything [reactor].
class Dial : public std::enable_shared_from_this<Dial> {
 public:
  using Done = std::function<void(Result<std::shared_ptr<Line>>)>;
  /// `peers`: best first. `message` and `closed` of `handlers` are the line's that is kept.
  Dial(Loop& loop, std::shared_ptr<Cooling> cooling, std::string device_name, std::vector<Peer> peers,
       Line::Settings settings, Line::Handlers handlers, DialTimes times = {});
  /// Once. `done` comes once, later.
  void start(Done done);
  /// No socket is left, and `done` never comes.
  void cancel();

 private:
  struct Try {
    std::shared_ptr<Line> line;
    std::string endpoint;
    bool pending = false;
  };
  void next();
  void opened(std::size_t index);
  void failed(std::size_t index, Error error);
  void out_of_time();
  void finish(Result<std::shared_ptr<Line>> result);
  void drop_pending(bool failed);

  Loop& loop_;
  std::shared_ptr<Cooling> cooling_;
  std::string device_name_;
  std::vector<Peer> peers_;
  Line::Settings settings_;
  Line::Handlers handlers_;
  DialTimes times_;
  std::vector<Try> tries_;
  std::vector<Tried> tried_;
  std::size_t next_ = 0;
  Timer stagger_, deadline_;
  Done done_;
};

}  // namespace lectern::attach
