// HTTP as the API sees it: no sockets, no Poco. net/ parses and bounds a request, the router answers it here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"

namespace lectern::api {

struct Request {
  std::string method;
  std::string path;                                          // decoded, without the query
  std::string query;                                         // raw
  std::vector<std::pair<std::string, std::string>> headers;  // in order; at most 100
  std::string body;                                          // bounded by the route's limit before it is read
  std::string peer;                                          // address, for rate limits and the log
  bool secure = false;
  bool loopback_peer = false;
  /// First header of that name, compared without case; null when absent.
  [[nodiscard]] const std::string* header(std::string_view name) const;
  /// First query parameter of that name, percent-decoded.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
};

/// A body that is not in memory as a whole, of a size that is known before.
class BodySource {
 public:
  virtual ~BodySource() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;  ///< [any] bytes
  /// [any] Has the next piece made elsewhere, which `done` gets on whatever thread: at least one byte, or none when it
  /// cannot be made, and the connection ends in the middle. Called again only after `done` was, and not after the last.
  virtual void next(UniqueFunction<void(std::string piece)> done) = 0;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // Content-Type among them; Content-Length is net's
  std::string body;
  /// When set, the body is this instead: large blobs and the page's files are shared, not copied.
  std::shared_ptr<const std::string> shared_body;
  /// When set, the body is this.
  std::shared_ptr<BodySource> source;

  /// The body to send, from whichever member holds it; empty when `source` makes it. Good while this is unchanged.
  [[nodiscard]] std::string_view content() const { return shared_body ? std::string_view(*shared_body) : body; }
};

/// Answers once, from any thread; the last copy destroyed unanswered answers 500 `internal`.
using Respond = UniqueFunction<void(Response)>;

/// Work that ends elsewhere (a reactor, a worker, a kernel, a person). net/ calls `start` on its worker thread, waits
/// up to 250 ms for the answer and then detaches the socket, which is answered whenever `Respond` is called.
/// `deadline_ms` after the start net/ itself answers 504 `outcome_unknown`.
struct Deferred {
  UniqueFunction<void(Respond)> start;
  int deadline_ms = 30'000;
};

struct Upgrade;  // api/upgrade.hpp: the request becomes a connection of a session, or the host-wide event stream

using Outcome = std::variant<Response, Deferred, std::unique_ptr<Upgrade>>;

/// The head of a request as it stands before its body is read.
struct RouteLimits {
  std::size_t max_body = 1u << 20;
};

/// What net/ asks of the API. Implemented by api::Router. [any] for every function.
class Handler {
 public:
  virtual ~Handler() = default;
  /// Looks at method, path and headers only: authentication, Host, Origin, existence of the route. An error is answered
  /// and the connection closed without reading the body.
  virtual Result<RouteLimits> admit(const Request& head) = 0;
  virtual Outcome handle(Request request) = 0;
};

/// One JSON body for all errors: {"error":{"code","message","hint","details"}}.
Response error_response(const Error& error);
Response json_response(int status, std::string json);

}  // namespace lectern::api
