// Pairing (docs/pairing.md): two devices prove to each other that they know one code and have the keys they say they
// have, and make the tokens they will use from the code. Nothing secret travels: whoever relays, or ends the TLS in
// between, learns neither code nor tokens, and what it changes of keys, names or scopes is noticed.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/result.hpp"
#include "presence/credentials.hpp"
#include "presence/key_proof.hpp"

namespace lectern::presence {

/// What one side says of itself. All of it is what the proofs are about.
struct PairingParty {
  std::string device_id, device_name;
  std::string pin;     // sha256 of its public key, hex
  std::string nonce;   // 64 random hex digits
  std::string grants;  // the scope it gives the other: "view", "interact", "edit", "admin", or "none"
};

/// What one side proves.
struct PairingProof {
  std::string code;  // hex: that it knows the code
  KeyProof key;      // that it has the key of its pin: by a signature of its statement
};

struct PairingKeys {
  std::string offering_proof, accepting_proof;          // hex, for PairingProof::code
  std::string offering_statement, accepting_statement;  // what that device signs: all that was said, and the code
  std::string offering_token, accepting_token;  // what the offering device sends to the accepting one, and the reverse
};

/// [any] A new code: 100 bits in groups of base32 (Crockford's, without I, L, O and U).
std::string new_pairing_code();
/// [any] As new_pairing_code() writes it, whatever case, spaces and dashes it was typed with, O for 0, I and L for 1;
/// empty when it cannot be a code.
std::string normal_pairing_code(std::string_view typed);
/// [any] 400 `bad_request` naming the member that cannot be right. What is to be shown comes out safe to show.
Result<PairingParty> checked_party(PairingParty party);
/// [any] As it travels: an object with a member for each field.
json::Value to_json(const PairingParty& party);
/// [any] What to_json() wrote, checked; other members are ignored. 400 `bad_request` naming the member.
Result<PairingParty> party_from(const json::Value& body);
/// [any] Adds the members "proof", "key" and "signature".
void add_proof(json::Value& body, const PairingProof& proof);
/// [any] What add_proof() added; empty without a "proof". A key or signature that is not there, or no base64, is empty.
/// 400 `bad_request` naming the member that is no string.
Result<std::optional<PairingProof>> proof_from(const json::Value& body);
/// [any]
PairingKeys pairing_keys(std::string_view code, const PairingParty& offering, const PairingParty& accepting);
/// [any] What `self` keeps of `other` when all is proven.
PairedDevice paired_device(const PairingParty& self, const PairingParty& other, const std::string& own_token,
                           const std::string& other_token, std::int64_t now_ms);

/// The pairing a host offers: one at a time, for one device, for a while. [any]
class PairingOffer {
 public:
  static constexpr int tries = 5;                       // of each address
  static constexpr std::size_t most_addresses = 1'024;  // that are counted: further ones cost no memory

  struct Shown {
    std::string code, grants;
    std::int64_t life_ms = 0;
  };
  /// Replaces the offer before.
  Shown open(const std::string& grants, std::int64_t life_ms, std::int64_t now_ms);
  /// Nothing is offered from here on, if it was this code (as new_pairing_code() writes it).
  void withdraw(std::string_view code);

  /// 404 `pairing_not_offered` when nothing is.
  Status offered(std::int64_t now_ms);
  /// What this side says of itself; the nonce is the offer's. 404 `pairing_not_offered`.
  Result<PairingParty> greet(PairingParty self, std::int64_t now_ms);

  struct Done {
    PairedDevice device;    // to keep
    std::string proof;      // to answer with, PairingProof::code
    std::string statement;  // what this device is to sign for the answer
  };
  /// `address` is where it comes from. 403 `pairing_refused` for a proof of the code that does not fit, 403
  /// `key_unproven` for one of the key: five of them end the offer for that address, not for others; 404
  /// `pairing_not_offered`; 409 `pairing_self`. After a success the offer is used up.
  Result<Done> accept(PairingParty self, const PairingParty& other, const PairingProof& proof,
                      const std::string& address, std::int64_t now_ms, std::int64_t wall_ms);

 private:
  [[nodiscard]] Status check(std::int64_t now_ms);
  [[nodiscard]] Error refusal(const std::string& address, const char* code, const char* message, const char* advice);
  std::mutex mutex_;
  std::string code_, nonce_, grants_;  // code_ empty: nothing is offered
  std::int64_t until_ms_ = 0;
  std::map<std::string, int> wrong_;  // by address
};

}  // namespace lectern::presence
