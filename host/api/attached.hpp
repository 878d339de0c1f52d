// Sessions of other hosts that are attached here, as the API sees them. Implemented in attach/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http.hpp"
#include "base/json.hpp"
#include "base/loop.hpp"
#include "session/session.hpp"

namespace lectern::api {

/// A request about an attached session, for the host that has it. It was admitted here; the asker's scope goes along.
struct Forwarded {
  std::string method;
  std::string target;                                        // encoded path with its query
  std::vector<std::pair<std::string, std::string>> headers;  // those of the protocol, none that proves who asks
  std::string body;
  std::string scope = "view";  // "view", "interact", "edit", "admin": the most it may be there
  int deadline_ms = 30'000;
  std::uint64_t max_answer = 256u << 20;  // bytes of the answer's body, which is in memory as a whole
};

class AttachedSession {
 public:
  virtual ~AttachedSession() = default;

  [[nodiscard]] virtual const std::string& id() const = 0;  ///< [any] the id it has there
  [[nodiscard]] virtual Loop& loop() const = 0;             ///< [any] where sockets go
  /// [any] `{device_id, device_name}`.
  [[nodiscard]] virtual json::Value remote() const = 0;
  /// [any] As Attached::attach() answered.
  [[nodiscard]] virtual json::Value info() const = 0;
  /// [reactor] A viewer's socket was moved here; it becomes a conversation with the session there.
  virtual std::unique_ptr<session::LinkEvents> connect(session::ConnectRequest request, session::Link& link) = 0;
  /// [any] Answers what the host there answered; 504 `remote_unreachable` when it cannot be asked, 401 `not_paired`
  /// when it does not know this device any more.
  virtual void forward(Forwarded request, Respond respond) = 0;
};
using AttachedPtr = std::shared_ptr<AttachedSession>;

class Attached {
 public:
  virtual ~Attached() = default;

  /// [any] Attaches the session: connection info of protocol 2 without `connect_url`, with `remote`. At once when it is
  /// attached already; several that ask at a time share one attempt. An error changes nothing: 404
  /// `remote_session_not_found`, 401 `not_paired`, 403 `scope`, 504 `remote_unreachable` naming the endpoints.
  virtual void attach(std::string session_id, session::Reply<json::Value> reply) = 0;
  /// [any] Null when it is not attached.
  [[nodiscard]] virtual AttachedPtr find(std::string_view session_id) const = 0;
  [[nodiscard]] virtual std::vector<AttachedPtr> sessions() const = 0;
  /// [any] Rows of GET /api/v1/sessions with `remote`, as last heard of.
  [[nodiscard]] virtual json::Array rows() const = 0;
  /// [any] Lets go of the session, which goes on there; false when it was not attached. Answered when no timer and no
  /// socket of it is left.
  virtual void detach(std::string_view session_id, session::Reply<bool> reply) = 0;
  /// [any] Ends what viewers here do under `principal`.
  virtual void revoke(std::string principal) = 0;
  /// [any] Has a notebook created on that device, which `request` asks of it, and attaches it: answers as attach(). 404
  /// `remote_device_not_found`; what that device said, with its status and code; when it was created and cannot be
  /// attached, the error says so.
  virtual void create(std::string device_id, Forwarded request, session::Reply<json::Value> reply) = 0;
};

}  // namespace lectern::api
