#include "net/tls.hpp"

#include "base/module.hpp"

namespace lectern::net {

Result<Tls*> load_tls() {
  LECTERN_TRY(void* const made, module_function("lectern-tls.so", "lectern_tls", "tls_missing", "TLS"));
  return reinterpret_cast<Tls* (*)()>(made)();
}

}  // namespace lectern::net
