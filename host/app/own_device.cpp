#include "app/own_device.hpp"

#include <utility>

#include "app/pair_dial.hpp"
#include "presence/device.hpp"
#include "presence/device_key.hpp"

namespace lectern::app {
namespace {

// The key is what TLS shows here; a host that does not serve TLS makes one now, for the hosts of the device that will.
Result<presence::PairingParty> own_party(const ServeOptions& options) {
  presence::PairingParty out;
  LECTERN_TRY(out.device_id, presence::device_id(options.state_dir));
  out.device_name = options.device_name;
  if (options.tls_cert.empty()) {
    LECTERN_TRY(const auto key, presence::device_key(options.state_dir, out.device_id));
    out.pin = key.pin;
  } else {
    LECTERN_TRY(out.pin, presence::certificate_pin(options.tls_cert));
  }
  return out;
}

}  // namespace

Status use_own_key(ServeOptions& options) {
  if (!options.tls || !options.tls_cert.empty()) return {};
  LECTERN_TRY(const auto id, presence::device_id(options.state_dir));
  LECTERN_TRY(const auto key, presence::device_key(options.state_dir, id));
  options.tls_cert = key.certificate;
  options.tls_key = key.key;
  return {};
}

void add_pairing(api::Parts& parts, const ServeOptions& options) {
  parts.pairing_self = [&options] { return own_party(options); };
  parts.join_pairing = [&options](const std::string& address, const std::string& code,
                                  const std::string& grants) -> Result<presence::PairedDevice> {
    LECTERN_TRY(auto self, own_party(options));
    self.grants = grants;
    return dial_pairing(std::move(self), address, code);
  };
}

}  // namespace lectern::app
