#include "presence/pairing.hpp"

#include <algorithm>

#include "base/crypto.hpp"
#include "base/text.hpp"

namespace lectern::presence {
namespace {

constexpr std::string_view code_alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t code_digits = 20;  // of 5 bits: 100
constexpr std::size_t code_group = 4;

bool is_hex_of(std::string_view text, std::size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Each field with its length: no two lists of fields make the same bytes.
void add_field(std::string& out, std::string_view field) {
  out += std::to_string(field.size()) + ":";
  out += field;
}

void add_field(std::string& out, const PairingParty& party) {
  for (const auto* field : {&party.device_id, &party.device_name, &party.pin, &party.nonce, &party.grants}) {
    add_field(out, *field);
  }
}

std::string token_of(const std::string& key, std::string_view label, const std::string& device_id) {
  auto secret = text::to_base64(crypto::hmac_sha256(key, label));
  while (!secret.empty() && secret.back() == '=') secret.pop_back();
  std::replace(secret.begin(), secret.end(), '+', '-');
  std::replace(secret.begin(), secret.end(), '/', '_');
  return "ld_" + device_id + "." + secret;
}

std::string grouped(std::string_view code) {
  std::string out;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (i != 0 && i % code_group == 0) out += '-';
    out += code[i];
  }
  return out;
}

Error not_offered() {
  return {404, "pairing_not_offered", "this device offers no pairing, or not any more",
          "say 'lectern pair' on it; a code is for one device and for a few minutes", ""};
}

}  // namespace

std::string new_pairing_code() {
  std::string code;
  for (const char byte : crypto::random_bytes(code_digits))
    code += code_alphabet[static_cast<unsigned char>(byte) % 32];
  return grouped(code);
}

std::string normal_pairing_code(std::string_view typed) {
  std::string code;
  for (char c : typed) {
    if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == 'O') c = '0';
    if (c == 'I' || c == 'L') c = '1';
    if (code_alphabet.find(c) == std::string_view::npos || code.size() == code_digits) return {};
    code += c;
  }
  return code.size() == code_digits ? grouped(code) : std::string();
}

Result<PairingParty> checked_party(PairingParty party) {
  const auto bad = [](const std::string& what) { return fail(400, "bad_request", "body." + what); };
  if (!is_hex_of(party.device_id, 32)) return bad("device_id must be 32 hex digits");
  if (!is_hex_of(party.pin, 64)) return bad("pin must be 64 hex digits");
  if (!is_hex_of(party.nonce, 64)) return bad("nonce must be 64 hex digits");
  if (!is_device_scope(party.grants)) {
    return bad("grants must be none, view, interact, edit or admin");
  }
  if (party.device_name != text::label(party.device_name, 64)) {
    return bad("device_name must be at most 64 characters to be shown");
  }
  return party;
}

json::Value to_json(const PairingParty& party) {
  json::Value out;
  out.set("device_id", party.device_id);
  out.set("device_name", party.device_name);
  out.set("pin", party.pin);
  out.set("nonce", party.nonce);
  out.set("grants", party.grants);
  return out;
}

Result<PairingParty> party_from(const json::Value& body) {
  const json::Fields fields(body, "body");
  PairingParty out;
  LECTERN_TRY(out.device_id, fields.string("device_id"));
  LECTERN_TRY(out.device_name, fields.string("device_name"));
  LECTERN_TRY(out.pin, fields.string("pin"));
  LECTERN_TRY(out.nonce, fields.string("nonce"));
  LECTERN_TRY(out.grants, fields.string("grants"));
  return checked_party(std::move(out));
}

void add_proof(json::Value& body, const PairingProof& proof) {
  body.set("proof", proof.code);
  body.set("key", text::to_base64(proof.key.key));
  body.set("signature", text::to_base64(proof.key.signature));
}

Result<std::optional<PairingProof>> proof_from(const json::Value& body) {
  const json::Fields fields(body, "body");
  LECTERN_TRY(auto code, fields.optional_string("proof"));
  LECTERN_TRY(const auto key, fields.optional_string("key"));
  LECTERN_TRY(const auto signature, fields.optional_string("signature"));
  if (!code) return std::optional<PairingProof>{};
  const auto bytes = [](const auto& base64) { return text::from_base64(base64.value_or("")).value_or(""); };
  return std::optional<PairingProof>{{std::move(*code), {bytes(key), bytes(signature)}}};
}

PairingKeys pairing_keys(std::string_view code, const PairingParty& offering, const PairingParty& accepting) {
  std::string transcript;
  add_field(transcript, "lectern pairing 1");
  add_field(transcript, offering);
  add_field(transcript, accepting);
  const auto key = crypto::hmac_sha256(code, transcript);
  const auto statement = [&](std::string_view who) {
    std::string out;
    add_field(out, "lectern pairing 1: the key of the " + std::string(who) + " device");
    add_field(out, offering);
    add_field(out, accepting);
    // Of the code no more than what nobody gets without it: the signature is good for this one pairing.
    add_field(out, text::to_hex(crypto::hmac_sha256(key, "statement of the " + std::string(who) + " device")));
    return out;
  };
  PairingKeys out;
  out.offering_proof = text::to_hex(crypto::hmac_sha256(key, "proof of the offering device"));
  out.accepting_proof = text::to_hex(crypto::hmac_sha256(key, "proof of the accepting device"));
  out.offering_statement = statement("offering");
  out.accepting_statement = statement("accepting");
  out.offering_token = token_of(key, "token of the offering device", offering.device_id);
  out.accepting_token = token_of(key, "token of the accepting device", accepting.device_id);
  return out;
}

PairedDevice paired_device(const PairingParty& self, const PairingParty& other, const std::string& own_token,
                           const std::string& other_token, std::int64_t now_ms) {
  PairedDevice out;
  out.device_id = other.device_id;
  out.device_name = other.device_name;
  out.pin = other.pin;
  out.scope = self.grants;
  out.digest = crypto::sha256_hex(other_token);
  out.their_scope = other.grants;
  out.token = own_token;
  out.paired_at_ms = now_ms;
  return out;
}

PairingOffer::Shown PairingOffer::open(const std::string& grants, std::int64_t life_ms, std::int64_t now_ms) {
  const std::scoped_lock lock(mutex_);
  code_ = new_pairing_code();
  nonce_ = text::to_hex(crypto::random_bytes(32));
  grants_ = grants;
  until_ms_ = now_ms + life_ms;
  wrong_.clear();
  return {code_, grants_, life_ms};
}

void PairingOffer::withdraw(std::string_view code) {
  const std::scoped_lock lock(mutex_);
  if (crypto::equal(code_, code)) code_.clear();
}

// Under the mutex.
Status PairingOffer::check(std::int64_t now_ms) {
  if (!code_.empty() && now_ms >= until_ms_) code_.clear();
  if (!code_.empty()) return {};
  return fail(not_offered());
}

Status PairingOffer::offered(std::int64_t now_ms) {
  const std::scoped_lock lock(mutex_);
  return check(now_ms);
}

Result<PairingParty> PairingOffer::greet(PairingParty self, std::int64_t now_ms) {
  const std::scoped_lock lock(mutex_);
  LECTERN_CHECK(check(now_ms));
  self.nonce = nonce_;
  self.grants = grants_;
  return self;
}

/// A try that failed. Under the mutex.
Error PairingOffer::refusal(const std::string& address, const char* code, const char* message, const char* advice) {
  const auto before = wrong_.find(address);
  const int count = before == wrong_.end() ? 1 : before->second + 1;
  if (count > 1 || wrong_.size() < most_addresses) wrong_[address] = count;
  const int left = tries - count;
  return {403, code, message,
          left > 0 ? std::string(advice) + ": " + std::to_string(left) + " more tries end the offer for this address"
                   : "the offer has ended for this address; say 'lectern pair' there again",
          ""};
}

Result<PairingOffer::Done> PairingOffer::accept(PairingParty self, const PairingParty& other, const PairingProof& proof,
                                                const std::string& address, std::int64_t now_ms, std::int64_t wall_ms) {
  const std::scoped_lock lock(mutex_);
  LECTERN_CHECK(check(now_ms));
  const auto before = wrong_.find(address);
  if (before != wrong_.end() && before->second >= tries) return fail(not_offered());
  self.nonce = nonce_;
  self.grants = grants_;
  const auto keys = pairing_keys(code_, self, other);
  if (!crypto::equal(keys.accepting_proof, proof.code)) {
    return fail(refusal(address, "pairing_refused",
                        "the code is not the one that is shown, or somebody stands between the devices",
                        "look at the code again"));
  }
  // Only now: who does not know the code should not have this host look into keys.
  if (!proves_key(proof.key, other.pin, keys.accepting_statement)) {
    return fail(refusal(address, "key_unproven",
                        "the device knows the code, but did not show that it has the key it says it has",
                        "pair from the device itself, with the same version of Lectern on both"));
  }
  if (other.device_id == self.device_id) {
    return fail(409, "pairing_self", "this is the same device: its hosts know each other already",
                "pair from another device, or with another --state-dir");
  }
  code_.clear();
  return Done{paired_device(self, other, keys.offering_token, keys.accepting_token, wall_ms), keys.offering_proof,
              keys.offering_statement};
}

}  // namespace lectern::presence
