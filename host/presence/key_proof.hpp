// That a device has the key it is known by: a signature over words that no other conversation has.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "presence/device_key.hpp"

namespace lectern::presence {

/// Raw bytes.
struct KeyProof {
  std::string key;        // the public key, SubjectPublicKeyInfo in DER: what a pin is the sha256 of
  std::string signature;  // by it
};

/// [worker] Signs `statement` with the device's key: ECDSA or RSA with SHA-256, Ed25519 and Ed448 as they are. 500
/// `device_key_unusable` naming the file, 400 `bad_tls`.
Result<KeyProof> prove_key(const DeviceKey& own, std::string_view statement);

/// [worker] True when the key is the one with this pin and has signed `statement`. What comes from a stranger is
/// compared with the pin before anything looks into it.
bool proves_key(const KeyProof& proof, std::string_view pin, std::string_view statement);

}  // namespace lectern::presence
