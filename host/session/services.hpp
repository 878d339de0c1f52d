// What a session needs of the rest of the host. References only: app/ owns these and outlives every session.
#pragma once

#include <string>

namespace lectern {
class Workers;
namespace plugin {
class Registry;
}
namespace document {
class NotebookStore;
}
namespace runtime {
class Service;
}
}  // namespace lectern

namespace lectern::session {

struct Services {
  plugin::Registry* registry = nullptr;
  document::NotebookStore* store = nullptr;
  Workers* workers = nullptr;
  std::string device_name;  // this host's; empty when the name lookup failed
};

}  // namespace lectern::session
