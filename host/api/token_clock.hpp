// Ends tokens when their time is over: what runs under one loses its rights then, not with its next request.
#pragma once

#include <functional>
#include <memory>

#include "api/tokens.hpp"
#include "base/loop.hpp"
#include "base/workers.hpp"

namespace lectern::api {

class TokenClock {
 public:
  /// [control] `ended` is called on a worker for each token that has expired. All four outlive stop().
  TokenClock(Tokens& tokens, Loop& loop, Workers& workers, std::function<void(const TokenRecord&)> ended);
  /// [control] As stop().
  ~TokenClock();
  TokenClock(const TokenClock&) = delete;
  TokenClock& operator=(const TokenClock&) = delete;

  /// [any] A token was made or revoked.
  void changed();
  /// [control] After it `ended` is not called any more.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the work under way
};

}  // namespace lectern::api
