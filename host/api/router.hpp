// The API's face to net/: admits or refuses a request by its head, then runs the route's handler.
#pragma once

#include <memory>

#include "api/endpoints.hpp"
#include "api/gate.hpp"
#include "api/http.hpp"

namespace lectern::api {

class Router : public Handler {
 public:
  /// [control] What `parts` points to outlives the router.
  Router(GateOptions gate, Parts parts);
  Result<RouteLimits> admit(const Request& head) override;
  Outcome handle(Request request) override;

 private:
  [[nodiscard]] Result<Access> authorize(const Request& head, const Match& match);
  Gate gate_;
  Metrics* metrics_;
  Endpoints endpoints_;
};

}  // namespace lectern::api
