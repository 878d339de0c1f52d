// All sessions of other hosts that are attached here. The face of this folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/attached.hpp"
#include "attach/attachment.hpp"
#include "base/loop.hpp"
#include "base/workers.hpp"
#include "presence/service.hpp"

namespace lectern::attach {

struct AttachmentsOptions {
  std::vector<Loop*> loops;               // not empty; they outlive this
  Workers* workers = nullptr;             // as they do
  presence::Service* presence = nullptr;  // null: there is none
  Error presence_missing;                 // why
  FindAccess find_access;
  std::string device_name;        // of this host
  std::function<void()> changed;  // [any] the rows differ
  std::function<bool(std::string_view session_id)> is_here = [](std::string_view) { return false; };  // [any] live here
  AttachmentTimes times;
};

class Attachments final : public api::Attached {
 public:
  /// [control]
  explicit Attachments(AttachmentsOptions options);
  ~Attachments() override;
  Attachments(const Attachments&) = delete;
  Attachments& operator=(const Attachments&) = delete;

  void attach(std::string session_id, session::Reply<json::Value> reply) override;
  void create(std::string device_id, api::Forwarded request, session::Reply<json::Value> reply) override;
  [[nodiscard]] api::AttachedPtr find(std::string_view session_id) const override;
  [[nodiscard]] std::vector<api::AttachedPtr> sessions() const override;
  [[nodiscard]] json::Array rows() const override;
  void detach(std::string_view session_id, session::Reply<bool> reply) override;
  void revoke(std::string principal) override;

  /// [control] Detaches all and attaches nothing more; waits for their farewells, two seconds at most. The loops must
  /// still run.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with what is under way on loops
};

}  // namespace lectern::attach
