#include "app/own_device.hpp"

#include <utility>

#include "app/pair_dial.hpp"
#include "presence/device.hpp"
#include "presence/device_key.hpp"
#include "presence/key_proof.hpp"

namespace lectern::app {
namespace {

struct Own {
  presence::PairingParty party;
  presence::DeviceKey key;
};

// The key is what TLS shows here; a host that does not serve TLS makes one now, for the hosts of the device that will.
Result<Own> own_device(const ServeOptions& options) {
  Own out;
  LECTERN_TRY(out.party.device_id, presence::device_id(options.state_dir));
  out.party.device_name = options.device_name;
  if (options.tls_cert.empty()) {
    LECTERN_TRY(out.key, presence::device_key(options.state_dir, out.party.device_id));
  } else {
    out.key.key = options.tls_key;
    out.key.certificate = options.tls_cert;
    LECTERN_TRY(out.key.pin, presence::certificate_pin(options.tls_cert));
  }
  out.party.pin = out.key.pin;
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
  parts.pairing_self = [&options]() -> Result<presence::PairingParty> {
    LECTERN_TRY(auto own, own_device(options));
    return std::move(own.party);
  };
  parts.prove_key = [&options](const std::string& statement) -> Result<presence::KeyProof> {
    LECTERN_TRY(const auto own, own_device(options));
    return presence::prove_key(own.key, statement);
  };
  parts.join_pairing = [&options](const std::string& address, const std::string& code,
                                  const std::string& grants) -> Result<presence::PairedDevice> {
    LECTERN_TRY(auto own, own_device(options));
    own.party.grants = grants;
    return dial_pairing(std::move(own.party), own.key, address, code);
  };
}

}  // namespace lectern::app
