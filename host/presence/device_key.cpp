#include "presence/device_key.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "base/crypto.hpp"
#include "presence/private_file.hpp"

namespace lectern::presence {
namespace fs = std::filesystem;
namespace {

template <auto free_it>
struct Free {
  template <class T>
  void operator()(T* what) const {
    free_it(what);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;

constexpr long seconds_a_day = 86'400;
constexpr long days_valid = 7'300;

std::string text_of(BIO* bio) {
  char* at = nullptr;
  const auto size = BIO_get_mem_data(bio, &at);
  return size > 0 ? std::string(at, static_cast<std::size_t>(size)) : std::string();
}

Bio reading(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Key key_of(const std::string& pem) {
  const auto bio = reading(pem);
  return Key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

Certificate certificate_of(const std::string& pem) {
  const auto bio = reading(pem);
  return Certificate(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

/// Empty when OpenSSL fails.
std::string new_key() {
  const Key key(EVP_EC_gen("P-256"));
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (!key || !bio) return {};
  if (PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) return {};
  return text_of(bio.get());
}

bool add_extension(X509* certificate, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, what, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  const auto random = crypto::random_bytes(8);
  std::uint64_t number = 0;
  std::memcpy(&number, random.data(), sizeof number);
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1 | 1) == 1;
}

/// A certificate in which the key vouches for itself; empty when OpenSSL fails. It begins a day ago, for readers whose
/// clock is behind; the names are for programs of this machine that are given it as an authority.
std::string new_certificate(EVP_PKEY* key, std::string_view device_id) {
  const Certificate certificate(X509_new());
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!certificate || !bio) return {};
  auto* const made = certificate.get();
  auto* const name = X509_get_subject_name(made);
  const auto* const id = reinterpret_cast<const unsigned char*>(device_id.data());
  const bool filled =
      X509_set_version(made, 2) == 1 && set_serial(made) &&
      X509_gmtime_adj(X509_getm_notBefore(made), -seconds_a_day) != nullptr &&
      X509_time_adj_ex(X509_getm_notAfter(made), static_cast<int>(days_valid), 0, nullptr) != nullptr &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, id, static_cast<int>(device_id.size()), -1, 0) == 1 &&
      X509_set_issuer_name(made, name) == 1 && X509_set_pubkey(made, key) == 1 &&
      add_extension(made, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(made, NID_subject_key_identifier, "hash") &&
      add_extension(made, NID_ext_key_usage, "serverAuth,clientAuth") &&
      add_extension(made, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1") &&
      X509_sign(made, key, EVP_sha256()) > 0;
  if (!filled || PEM_write_bio_X509(bio.get(), made) != 1) return {};
  return text_of(bio.get());
}

/// Empty when OpenSSL fails.
std::string public_key_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  std::string key(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return key;
}

tl::unexpected<Error> damaged(const fs::path& file, const std::string& what) {
  return fail(500, "device_key_damaged", file.string() + " " + what,
              "remove device-key.pem and device-certificate.pem; paired devices then have to be paired again");
}

tl::unexpected<Error> no_key() {
  return fail(500, "device_key", "OpenSSL could not make a key", "look at the system's OpenSSL settings");
}

}  // namespace

Result<DeviceKey> device_key(const fs::path& state_dir, std::string_view device_id) {
  DeviceKey out{state_dir / "device-key.pem", state_dir / "device-certificate.pem", {}};
  std::error_code error;
  if (!fs::exists(out.key, error)) {
    const auto fresh = new_key();
    if (fresh.empty()) return no_key();
    LECTERN_CHECK(make_private(out.key, fresh));
  }
  const auto key = key_of(read_private(out.key));
  if (!key) return damaged(out.key, "holds no private key");
  if (!fs::exists(out.certificate, error)) {
    const auto fresh = new_certificate(key.get(), device_id);
    if (fresh.empty()) return no_key();
    LECTERN_CHECK(make_private(out.certificate, fresh));
  }
  const auto certificate = certificate_of(read_private(out.certificate));
  if (!certificate || X509_check_private_key(certificate.get(), key.get()) != 1) {
    return damaged(out.certificate, "is not the certificate of device-key.pem");
  }
  out.pin = crypto::sha256_hex(public_key_of(certificate.get()));
  return out;
}

Result<std::string> certificate_key(const fs::path& file) {
  const auto certificate = certificate_of(read_private(file));
  auto key = certificate ? public_key_of(certificate.get()) : std::string();
  if (key.empty()) return fail(400, "bad_tls", file.string() + " holds no certificate", "give a PEM file");
  return key;
}

Result<std::string> certificate_pin(const fs::path& file) {
  LECTERN_TRY(const auto key, certificate_key(file));
  return crypto::sha256_hex(key);
}

}  // namespace lectern::presence
