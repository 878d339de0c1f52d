// A notebook that is made on another device: the best of its endpoints, then one request there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/attached.hpp"
#include "attach/attachment.hpp"
#include "base/loop.hpp"

namespace lectern::attach {

class Creation : public std::enable_shared_from_this<Creation> {
 public:
  /// The id of its session there. The errors of a dial; what the host there said, with its status and code; 504
  /// `remote_unreachable` when it was asked and did not answer.
  using Done = std::function<void(Result<std::string>)>;

  /// [any] `host`: as presence::Service::host_of() has it. `loop` outlives it.
  Creation(Loop& loop, std::shared_ptr<const Attachment::Home> home, presence::RemoteSession host,
           api::Forwarded request);
  /// [any] Once. `done` comes once on `loop`, while that runs.
  void start(Done done);
  /// [any] Before start() or after it: `done` comes with 503 `draining` unless it has come. What is asked already may
  /// happen there all the same.
  void cancel();

 private:
  void dial(std::vector<Peer> peers);
  void ask(const Peer& peer);
  void finish(Result<std::string> result);

  Loop& loop_;
  const std::shared_ptr<const Attachment::Home> home_;
  const presence::RemoteSession host_;
  api::Forwarded request_;
  std::shared_ptr<Dial> dial_;
  Done done_;
  bool over_ = false;  // cancelled; of the loop alone
};

}  // namespace lectern::attach
