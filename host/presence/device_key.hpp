// The device's own key: what TLS shows by itself (`lectern serve --tls`) and what paired devices know it by.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lectern::presence {

struct DeviceKey {
  std::filesystem::path key, certificate;  // PEM
  std::string pin;                         // certificate_pin() of the certificate
};

/// [worker] The key (EC P-256) and the certificate it made for itself, in `device-key.pem` (mode 0600) and
/// `device-certificate.pem` of `state_dir`; made when there is none: it is OpenSSL's EVP that does, which a host that
/// needs no key should not have to load. Two processes that come at once agree. `device_id` becomes the certificate's
/// name. 500 `device_key_damaged`, `state_dir_unwritable`.
Result<DeviceKey> device_key(const std::filesystem::path& state_dir, std::string_view device_id);

/// [worker] The public key (SubjectPublicKeyInfo, DER) in the first certificate of a PEM file, as it stands there. 400
/// `bad_tls`.
Result<std::string> certificate_key(const std::filesystem::path& certificate);

/// [worker] sha256 (hex) of the public key (SPKI, DER) in the first certificate of a PEM file: it stays the same when a
/// certificate is renewed with its key. 400 `bad_tls`.
Result<std::string> certificate_pin(const std::filesystem::path& certificate);

}  // namespace lectern::presence
