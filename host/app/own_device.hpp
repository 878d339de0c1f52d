// This device as others know it: its key, and what the API needs for pairing.
#pragma once

#include "api/endpoints.hpp"
#include "app/options.hpp"
#include "base/result.hpp"

namespace lectern::app {

/// [control] With --tls and no certificate, TLS is served with the device's own key: an address beyond this machine
/// needs nothing else.
Status use_own_key(ServeOptions& options);

/// [control] Fills in `pairing_self`, `prove_key` and `join_pairing`. `options` outlive the parts; state_dir and
/// device_name are set.
void add_pairing(api::Parts& parts, const ServeOptions& options);

}  // namespace lectern::app
