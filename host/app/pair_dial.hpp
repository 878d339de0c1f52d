// The side of a pairing that types the code: asks the host that offers, proves, and checks the proof it gets.
#pragma once

#include <chrono>
#include <string>

#include "base/result.hpp"
#include "presence/pairing.hpp"

namespace lectern::app {

/// [worker] `address` is "host" or "host:port", with https:// or http:// in front or without: TLS then, but on
/// loopback plaintext where that is what is served. `self` is this device with what it grants, `key` the one of its
/// pin; `code` as normal_pairing_code() has it. `patience` is for each of the two answers. Nothing is stored. 400
/// `bad_request`, 502 `unreachable`, `another_key`, `pairing_unproven` and `key_unproven`, 500 `device_key_unusable`,
/// and what the other host says.
Result<presence::PairedDevice> dial_pairing(presence::PairingParty self, const presence::DeviceKey& key,
                                            const std::string& address, const std::string& code,
                                            std::chrono::milliseconds patience = std::chrono::seconds(15));

}  // namespace lectern::app
