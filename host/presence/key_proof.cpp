#include "presence/key_proof.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/crypto.hpp"
#include "presence/private_file.hpp"

namespace lectern::presence {
namespace {

constexpr std::size_t most_bytes = 1'100;  // of a key, of a signature: with 8,192 bits RSA has 1,062 and 1,024

struct Release {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
template <class T>
using Owned = std::unique_ptr<T, Release>;

/// What fails here is no error of the TLS connection that this thread reads next.
struct ForgetErrors {
  ~ForgetErrors() { ERR_clear_error(); }
};

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// OpenSSL would ask for it on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

Owned<EVP_PKEY> private_key_of(const std::string& pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Owned<EVP_PKEY>(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
}

bool signs(const EVP_PKEY* key) {
  static constexpr std::array kinds = {EVP_PKEY_EC, EVP_PKEY_RSA, EVP_PKEY_RSA_PSS, EVP_PKEY_ED25519, EVP_PKEY_ED448};
  return std::find(kinds.begin(), kinds.end(), EVP_PKEY_get_base_id(key)) != kinds.end();
}

/// Null for keys that digest by themselves.
const EVP_MD* digest_of(const EVP_PKEY* key) {
  const int kind = EVP_PKEY_get_base_id(key);
  return kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448 ? nullptr : EVP_sha256();
}

/// Empty when OpenSSL fails.
std::string signature_by(EVP_PKEY* key, std::string_view statement) {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (!context || EVP_DigestSignInit(context.get(), nullptr, digest_of(key), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, raw(statement), statement.size()) != 1) {
    return {};
  }
  std::string out(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, raw(statement),
                     statement.size()) != 1) {
    return {};
  }
  out.resize(size);
  return out;
}

}  // namespace

Result<KeyProof> prove_key(const DeviceKey& own, std::string_view statement) {
  const ForgetErrors at_end;
  KeyProof out;
  LECTERN_TRY(out.key, certificate_key(own.certificate));
  const auto key = private_key_of(read_private(own.key));
  if (key && signs(key.get())) out.signature = signature_by(key.get(), statement);
  // A certificate that was replaced and its key was not: the other side would say only that it does not fit.
  if (!proves_key(out, crypto::sha256_hex(out.key), statement)) {
    return fail(500, "device_key_unusable", own.key.string() + " is not the key of " + own.certificate.string(),
                "it has to be a private key without a password: EC, Ed25519, or RSA of at most 8,192 bits");
  }
  return out;
}

bool proves_key(const KeyProof& proof, std::string_view pin, std::string_view statement) {
  if (proof.key.empty() || proof.key.size() > most_bytes || proof.signature.size() > most_bytes) return false;
  if (!crypto::equal(crypto::sha256_hex(proof.key), pin)) return false;
  const ForgetErrors at_end;
  const auto* at = raw(proof.key);
  const Owned<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(proof.key.size())));
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  return key && context && signs(key.get()) &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest_of(key.get()), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(proof.signature), proof.signature.size(), raw(statement),
                          statement.size()) == 1;
}

}  // namespace lectern::presence
