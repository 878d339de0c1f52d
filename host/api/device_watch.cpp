#include "api/device_watch.hpp"

#include <mutex>
#include <utility>

namespace lectern::api {

struct DeviceWatch::State : std::enable_shared_from_this<State> {
  State(presence::DeviceCredentials& known, Loop& on, Workers& helpers,
        std::function<void(const std::string& principal)> tell, std::chrono::milliseconds wait)
      : devices(known),
        loop(on),
        workers(helpers),
        ended(std::move(tell)),
        every(wait),
        timer(std::make_unique<Timer>(on)) {}

  void arm() {  // on the loop
    timer->start(every, [self = weak_from_this()] {
      if (const auto state = self.lock()) state->due();
    });
  }
  void due() {
    const std::scoped_lock lock(mutex);  // who has called stop() may let go of the workers
    if (stopped) return;
    workers.submit([self = weak_from_this()] {
      const auto state = self.lock();
      if (!state || !state->look()) return;
      state->loop.post([self] {
        if (const auto again = self.lock()) again->arm();
      });
    });
  }
  /// False when stopped.
  bool look() {
    const std::scoped_lock lock(mutex);
    if (stopped) return false;
    for (const auto& id : devices.take_ended()) ended(presence::device_principal(id));
    return true;
  }

  presence::DeviceCredentials& devices;
  Loop& loop;
  Workers& workers;
  std::function<void(const std::string& principal)> ended;
  const std::chrono::milliseconds every;
  std::unique_ptr<Timer> timer;  // used on the loop only
  std::mutex mutex;              // held while `ended` is called, and while something is handed to the workers
  bool stopped = false;          // under the mutex
};

DeviceWatch::DeviceWatch(presence::DeviceCredentials& devices, Loop& loop, Workers& workers,
                         std::function<void(const std::string& principal)> ended, std::chrono::milliseconds every)
    : state_(std::make_shared<State>(devices, loop, workers, std::move(ended), every)) {
  loop.post([self = std::weak_ptr(state_)] {
    if (const auto state = self.lock()) state->arm();
  });
}

DeviceWatch::~DeviceWatch() {
  stop();
}

void DeviceWatch::look() {
  state_->look();
}

void DeviceWatch::stop() {
  const std::scoped_lock lock(state_->mutex);
  state_->stopped = true;
}

}  // namespace lectern::api
