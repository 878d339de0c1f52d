#include "use.hpp"

#include "allocation.hpp"

namespace lectern::validate {

void SinkControl::begin() {
  active_ = true;
  refused = false;
  caller_ = std::this_thread::get_id();
}

lectern_status SinkControl::take() {
  if (!active_) ++late;
  if (active_ && std::this_thread::get_id() != caller_) ++wrong_thread;
  if (refused) ++after_refusal;
  if (calls++ != fail_at) return LECTERN_OK;
  refused = true;
  return refusal;
}

StepResult Use::call(const std::function<lectern_status()>& body) {
  StepResult result;
  sinks.begin();
  allocation_failed = false;
  allocations_stay_out = stay_out;
  // thrown_by may need memory for the words; by then the limit is off.
  result.thrown = thrown_by([&] {
    struct Limit {
      explicit Limit(long n) { allocations_left = n; }
      ~Limit() { allocations_left = -1; }
      Limit(const Limit&) = delete;
      Limit& operator=(const Limit&) = delete;
    };
    const Limit limit(allocations);
    result.status = body();
  });
  result.ran_out = allocation_failed;
  sinks.end();
  return result;
}

std::string Use::all_steps() {
  std::string out;
  for (int i = 0; i < steps(); ++i) out += name(i) + ": " + step(i).digest() + "\n";
  return out;
}

std::unique_ptr<Use> make_use(plugin::Kind kind, const void* interface, std::string config) {
  switch (kind) {
    case plugin::Kind::policy:
      return use_policy(interface, std::move(config));
    case plugin::Kind::format:
      return use_format(interface);
    case plugin::Kind::transport:
      return use_transport(interface, std::move(config));
    case plugin::Kind::presence:
      return use_presence(interface, std::move(config));
    case plugin::Kind::runtime:
      return use_runtime(interface, std::move(config));
  }
  return nullptr;
}

}  // namespace lectern::validate
