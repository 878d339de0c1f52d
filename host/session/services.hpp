// What a session needs of the rest of the host. References only: app/ owns these and outlives every session.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/transport.hpp"

namespace lectern {
class Workers;
namespace plugin {
class Registry;
}
namespace document {
class JournalWriter;
class NotebookStore;
class PathPolicy;
}  // namespace document
namespace runtime {
class Service;
}
}  // namespace lectern

namespace lectern::session {

class ClientBook;
class TrustStore;

struct Services {
  plugin::Registry* registry = nullptr;
  document::NotebookStore* store = nullptr;
  document::JournalWriter* journals = nullptr;
  const document::PathPolicy* paths = nullptr;  // the served root
  runtime::Service* runtime = nullptr;
  Workers* workers = nullptr;
  std::vector<plugin::TransportPtr> transports;  // what sessions can be connected by; shared with the API
  /// Made by the directory. Shared: a request may hold a session past it.
  std::shared_ptr<ClientBook> clients;
  /// Made by the directory, and shared as that.
  std::shared_ptr<TrustStore> trust;
  std::string device_name;  // this host's; empty when the name lookup failed
  std::string state_dir;    // where notebooks without a file live
};

}  // namespace lectern::session
