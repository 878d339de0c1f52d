// Pairing: the code, the proofs, the offer; the device's key; what paired devices keep of each other.
#include "presence/pairing.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "presence/credentials.hpp"
#include "presence/device_key.hpp"
#include "presence/key_proof.hpp"

namespace lectern::presence {
namespace {

namespace fs = std::filesystem;

PairingParty party(char digit, const std::string& name, const std::string& grants) {
  return {std::string(32, digit), name, std::string(64, digit), std::string(64, digit), grants};
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

unsigned mode_of(const fs::path& file) {
  struct stat status {};
  return ::stat(file.c_str(), &status) == 0 ? status.st_mode & 0777u : 0;
}

class PairedTest : public ::testing::Test {
 protected:
  PairedTest() {
    std::string pattern = (fs::temp_directory_path() / "lectern-pairing-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~PairedTest() override {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::unique_ptr<DeviceCredentials> opened() {
    auto made = DeviceCredentials::open(path_);
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }
  fs::path path_;
};

/// What two devices keep after they paired.
struct Pair {
  PairingParty laptop = party('a', "laptop", "edit"), phone = party('b', "phone", "view");
  std::string code = new_pairing_code();
  PairingKeys keys = pairing_keys(code, laptop, phone);
  PairedDevice at_laptop = paired_device(laptop, phone, keys.offering_token, keys.accepting_token, 5);
  PairedDevice at_phone = paired_device(phone, laptop, keys.accepting_token, keys.offering_token, 6);
};

TEST(PairingCode, HasAHundredBitsAndForgivesHowItIsTyped) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const auto code = new_pairing_code();
    EXPECT_EQ(code.size(), 24u) << code;
    EXPECT_EQ(normal_pairing_code(code), code);
    EXPECT_TRUE(seen.insert(code).second);
  }
  EXPECT_EQ(normal_pairing_code(" 0i1l-oabc defg hjkm\tnpqr "), "0111-0ABC-DEFG-HJKM-NPQR");
  for (const auto* wrong :
       {"", "0123", "0123-4567-89AB-CDEF-GHJU", "0123-4567-89AB-CDEF-GHJK-M", "0123-4567-89AB-CDEF-GHJ!"})
    EXPECT_EQ(normal_pairing_code(wrong), "") << wrong;
}

TEST(PairingKeysTest, DependOnTheCodeAndOnEveryThingThatWasSaid) {
  const Pair pair;
  std::set<std::string> proofs = {pair.keys.accepting_proof, pair.keys.offering_proof, pair.keys.accepting_statement,
                                  pair.keys.offering_statement};
  ASSERT_EQ(proofs.size(), 4u);
  const auto differs = [&](const PairingKeys& keys) {
    for (const auto& one :
         {keys.accepting_proof, keys.offering_proof, keys.accepting_statement, keys.offering_statement}) {
      EXPECT_TRUE(proofs.insert(one).second);
    }
    EXPECT_NE(keys.accepting_token, pair.keys.accepting_token);
    EXPECT_NE(keys.offering_token, pair.keys.offering_token);
  };
  differs(pairing_keys(new_pairing_code(), pair.laptop, pair.phone));
  differs(pairing_keys(pair.code, pair.phone, pair.laptop));
  for (auto member : {&PairingParty::device_id, &PairingParty::device_name, &PairingParty::pin, &PairingParty::nonce,
                      &PairingParty::grants}) {
    auto other = pair.laptop;
    other.*member += "0";
    differs(pairing_keys(pair.code, other, pair.phone));
    other = pair.phone;
    other.*member += "0";
    differs(pairing_keys(pair.code, pair.laptop, other));
  }
  EXPECT_TRUE(pair.keys.accepting_token.starts_with("ld_" + pair.phone.device_id + "."));
}

/// A laptop that offers, and a phone that has a key of its own.
class PairingOfferTest : public PairedTest {
 protected:
  PairingOfferTest() { phone.pin = key.pin; }
  [[nodiscard]] PairingProof proven(const PairingKeys& keys) const {
    return {keys.accepting_proof, *prove_key(key, keys.accepting_statement)};
  }
  [[nodiscard]] PairingProof proven(const std::string& code, const PairingParty& laptop) const {
    return proven(pairing_keys(code, laptop, phone));
  }
  /// The error's code, or empty.
  std::string answer(const PairingParty& other, const PairingProof& proof, const std::string& address = "192.0.2.1",
                     std::int64_t now_ms = 2) {
    const auto done = offer.accept(self, other, proof, address, now_ms, 7);
    return done ? std::string() : done.error().code;
  }
  const DeviceKey key = *device_key(path_ / "phone", std::string(32, 'b'));
  const PairingParty self = party('a', "laptop", "");
  PairingParty phone = party('b', "phone", "view");
  PairingOffer offer;
};

TEST_F(PairingOfferTest, LetsInWhoKnowsTheCodeOnce) {
  EXPECT_EQ(offer.greet(self, 0).error().code, "pairing_not_offered");
  const auto shown = offer.open("edit", 1'000, 0);
  const auto laptop = *offer.greet(self, 10);
  EXPECT_EQ(laptop.grants, "edit");
  const auto keys = pairing_keys(shown.code, laptop, phone);
  const auto done = offer.accept(self, phone, proven(keys), "192.0.2.1", 20, 7);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->proof, keys.offering_proof);
  EXPECT_EQ(done->statement, keys.offering_statement);
  EXPECT_EQ(done->device, paired_device(laptop, phone, keys.offering_token, keys.accepting_token, 7));
  EXPECT_EQ(answer(phone, proven(keys)), "pairing_not_offered");
}

TEST_F(PairingOfferTest, LetsInNobodyWithoutTheKeyItSpeaksOf) {
  const auto shown = offer.open("edit", 1'000, 0);
  const auto laptop = *offer.greet(self, 1);
  const auto keys = pairing_keys(shown.code, laptop, phone);
  const auto right = proven(keys);
  const auto others = *device_key(path_ / "other", std::string(32, 'b'));
  // All that somebody can say who knows the code and not the key of the phone.
  auto unsigned_one = right, cut = right, of_another_key = right, of_another_code = right, of_the_other_side = right,
       of_another_scope = right;
  unsigned_one.key = {};
  cut.key.signature.resize(cut.key.signature.size() / 2);
  of_another_key.key.signature = prove_key(others, keys.accepting_statement)->signature;
  of_another_code.key = proven(new_pairing_code(), laptop).key;
  of_the_other_side.key = *prove_key(key, keys.offering_statement);
  auto greedy = phone;
  greedy.grants = "admin";
  of_another_scope.key = *prove_key(key, pairing_keys(shown.code, laptop, greedy).accepting_statement);
  int turn = 0;
  for (const auto& wrong : {unsigned_one, cut, of_another_key, of_another_code, of_the_other_side, of_another_scope}) {
    EXPECT_EQ(answer(phone, wrong, "192.0.2." + std::to_string(10 + turn)), "key_unproven") << turn;
    ++turn;
  }
  // Its own key in place of the phone's: the pin that was said is the phone's.
  auto swapped = right;
  swapped.key = *prove_key(others, keys.accepting_statement);
  const auto said = offer.accept(self, phone, swapped, "192.0.2.1", 2, 2);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().status, 403);
  EXPECT_EQ(said.error().code, "key_unproven");
  EXPECT_NE(said.error().hint.find("4 more tries"), std::string::npos) << said.error().hint;
  for (int i = 1; i < PairingOffer::tries; ++i) EXPECT_EQ(answer(phone, swapped), "key_unproven") << i;
  EXPECT_EQ(answer(phone, right), "pairing_not_offered");
  EXPECT_EQ(answer(phone, right, "192.0.2.2"), "") << "the device itself is let in";
}

TEST_F(PairingOfferTest, EndsWithTimeWithFiveWrongProofsAndWithTheNextOffer) {
  auto shown = offer.open("edit", 1'000, 0);
  EXPECT_TRUE(offer.greet(self, 999));
  EXPECT_FALSE(offer.greet(self, 1'000));
  shown = offer.open("edit", 1'000, 0);
  const auto right = proven(shown.code, *offer.greet(self, 1));
  const PairingProof wrong{"wrong", right.key};
  for (int i = 0; i < PairingOffer::tries; ++i) EXPECT_EQ(answer(phone, wrong), "pairing_refused") << i;
  EXPECT_EQ(answer(phone, right), "pairing_not_offered");
  const auto first = offer.open("edit", 1'000, 0);
  offer.open("view", 1'000, 0);
  EXPECT_EQ(answer(phone, proven(first.code, *offer.greet(self, 1))), "pairing_refused");
}

TEST_F(PairingOfferTest, WrongProofsEndItForWhereTheyComeFromAlone) {
  const auto shown = offer.open("edit", 1'000, 0);
  const auto right = proven(shown.code, *offer.greet(self, 1));
  const PairingProof wrong{"wrong", right.key};
  for (int i = 0; i < PairingOffer::tries; ++i) EXPECT_EQ(answer(phone, wrong), "pairing_refused") << i;
  EXPECT_EQ(answer(phone, right), "pairing_not_offered");
  for (std::size_t i = 0; i < PairingOffer::most_addresses; ++i) {
    EXPECT_EQ(answer(phone, wrong, "one of many " + std::to_string(i)), "pairing_refused");
  }
  EXPECT_EQ(answer(phone, right, "192.0.2.2"), "");
  const auto next = offer.open("edit", 1'000, 0);
  EXPECT_EQ(answer(phone, proven(next.code, *offer.greet(self, 1))), "");
}

TEST_F(PairingOfferTest, SomebodyInBetweenIsNoticed) {
  const auto shown = offer.open("edit", 1'000, 0);
  const auto laptop = *offer.greet(self, 1);
  // It shows the phone its own key, and the laptop what the phone said about that.
  auto forged = laptop;
  forged.pin = std::string(64, 'e');
  EXPECT_EQ(answer(phone, proven(shown.code, forged)), "pairing_refused");
  // Or it gives the laptop its own key in the phone's place, or asks for more than the phone's person gave.
  const auto honest = proven(shown.code, laptop);
  for (auto change : std::vector<std::function<void(PairingParty&)>>{
           [](auto& other) { other.pin = std::string(64, 'e'); }, [](auto& other) { other.grants = "admin"; },
           [](auto& other) { other.device_name = "somebody"; }}) {
    auto other = phone;
    change(other);
    EXPECT_EQ(answer(other, honest), "pairing_refused");
  }
  EXPECT_EQ(answer(phone, honest), "");
}

TEST_F(PairingOfferTest, NotWithItself) {
  const auto shown = offer.open("edit", 1'000, 0);
  phone.device_id = self.device_id;
  EXPECT_EQ(answer(phone, proven(shown.code, *offer.greet(self, 1))), "pairing_self");
}

TEST(PairingProofTest, TravelsAndWhatIsNoBase64IsNone) {
  json::Value body{json::Object{}};
  EXPECT_FALSE(*proof_from(body));
  add_proof(body, {"abc", {"key", std::string("\0\xff", 2)}});
  const auto read = *proof_from(body);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code, "abc");
  EXPECT_EQ(read->key.key, "key");
  EXPECT_EQ(read->key.signature, std::string("\0\xff", 2));
  body.set("signature", "?");
  EXPECT_EQ((*proof_from(body))->key.signature, "");
  body.set("signature", 7);
  EXPECT_EQ(proof_from(body).error().status, 400);
}

TEST(PairingPartyTest, IsBoundedBeforeAnythingElse) {
  EXPECT_TRUE(checked_party(party('a', "laptop", "none")));
  for (auto change : std::vector<std::function<void(PairingParty&)>>{
           [](auto& one) { one.device_id = "../../etc"; }, [](auto& one) { one.pin.clear(); },
           [](auto& one) { one.nonce += "0"; }, [](auto& one) { one.grants = "root"; },
           [](auto& one) { one.device_name = std::string(65, 'x'); },
           [](auto& one) { one.device_name = "a\x1b[31m"; }}) {
    auto other = party('a', "laptop", "view");
    change(other);
    EXPECT_EQ(checked_party(other).error().status, 400);
  }
}

TEST_F(PairedTest, CredentialsComeBackAndEachTokenOpensItsOwnDevice) {
  const Pair pair;
  auto laptop = opened();
  EXPECT_TRUE(laptop->list().empty());
  ASSERT_TRUE(laptop->put(pair.at_laptop));
  const auto accepted = laptop->accept(pair.keys.accepting_token);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->principal(), "device:" + pair.phone.device_id);
  EXPECT_EQ(accepted->device_name, "phone");
  EXPECT_EQ(accepted->scope, "edit");
  EXPECT_FALSE(laptop->accept(pair.keys.offering_token)) << "its own token opens nothing here";
  EXPECT_FALSE(laptop->accept(pair.keys.accepting_token + "x"));
  EXPECT_FALSE(laptop->accept("ld_" + pair.phone.device_id));
  EXPECT_FALSE(laptop->accept(""));
  EXPECT_TRUE(laptop->lives(pair.phone.device_id));
  EXPECT_FALSE(laptop->lives(pair.laptop.device_id));
  const auto outgoing = opened()->outgoing(pair.phone.device_id);
  ASSERT_TRUE(outgoing);
  EXPECT_EQ(outgoing->token, pair.keys.offering_token);
  EXPECT_EQ(outgoing->pin, pair.phone.pin);
  EXPECT_EQ(outgoing->scope, "view");
  EXPECT_EQ(opened()->list(), std::vector<PairedDevice>{pair.at_laptop});
  EXPECT_EQ(mode_of(path_ / "devices.json"), 0600u);
  EXPECT_EQ(content(path_ / "devices.json").find(pair.keys.accepting_token), std::string::npos);
  EXPECT_EQ(content(path_ / "devices.json").find(pair.code), std::string::npos);
}

TEST_F(PairedTest, AScopeOfNoneOpensNothing) {
  const Pair pair;
  auto device = pair.at_laptop;
  device.scope = "none";
  device.their_scope = "none";
  auto laptop = opened();
  ASSERT_TRUE(laptop->put(device));
  EXPECT_FALSE(laptop->accept(pair.keys.accepting_token));
  EXPECT_FALSE(laptop->outgoing(pair.phone.device_id));
  EXPECT_EQ(laptop->list().size(), 1u);
}

TEST_F(PairedTest, WhatOneHostOfTheDeviceChangesTheOthersSee) {
  const Pair pair;
  auto one = opened(), two = opened();
  ASSERT_TRUE(one->put(pair.at_laptop));
  EXPECT_TRUE(two->accept(pair.keys.accepting_token));
  EXPECT_TRUE(two->take_ended().empty());
  ASSERT_TRUE(one->revoke(pair.phone.device_id));
  EXPECT_FALSE(one->accept(pair.keys.accepting_token));
  EXPECT_TRUE(two->lives(pair.phone.device_id)) << "asked without a look at the disk";
  EXPECT_EQ(two->take_ended(), std::vector<std::string>{pair.phone.device_id});
  EXPECT_TRUE(two->take_ended().empty());
  EXPECT_FALSE(two->lives(pair.phone.device_id));
  EXPECT_EQ(one->take_ended(), std::vector<std::string>{pair.phone.device_id});
  EXPECT_EQ(one->revoke(pair.phone.device_id).error().code, "device_not_found");
}

TEST_F(PairedTest, PairingAgainEndsTheFormerToken) {
  const Pair before, after;
  auto laptop = opened();
  ASSERT_TRUE(laptop->put(before.at_laptop));
  ASSERT_TRUE(laptop->put(after.at_laptop));
  EXPECT_FALSE(laptop->accept(before.keys.accepting_token));
  EXPECT_TRUE(laptop->accept(after.keys.accepting_token));
  EXPECT_EQ(laptop->take_ended(), std::vector<std::string>{after.phone.device_id});
  EXPECT_EQ(laptop->list().size(), 1u);
}

TEST_F(PairedTest, AnotherKeyTakesOverNoDevice) {
  const Pair before;
  Pair other;
  other.at_laptop.pin = std::string(64, 'e');
  auto laptop = opened();
  ASSERT_TRUE(laptop->put(before.at_laptop));
  const auto refused = laptop->put(other.at_laptop);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 409);
  EXPECT_EQ(refused.error().code, "device_known");
  EXPECT_NE(refused.error().hint.find(before.phone.device_id), std::string::npos);
  EXPECT_TRUE(laptop->accept(before.keys.accepting_token));
  EXPECT_FALSE(laptop->accept(other.keys.accepting_token));
  EXPECT_TRUE(laptop->take_ended().empty());
  ASSERT_TRUE(laptop->revoke(before.phone.device_id));
  EXPECT_TRUE(laptop->put(other.at_laptop));
}

TEST_F(PairedTest, WhatOurTokenOpenedThereEndsWithIt) {
  Pair pair;
  pair.at_laptop.scope = "none";
  auto laptop = opened();
  ASSERT_TRUE(laptop->put(pair.at_laptop));
  auto renamed = pair.at_laptop;
  renamed.device_name = "old phone";
  ASSERT_TRUE(laptop->put(renamed));
  EXPECT_TRUE(laptop->take_ended().empty());
  auto other = renamed;
  other.token += "x";
  ASSERT_TRUE(laptop->put(other));
  EXPECT_EQ(laptop->take_ended(), std::vector<std::string>{pair.phone.device_id});
  ASSERT_TRUE(laptop->revoke(pair.phone.device_id));
  EXPECT_EQ(laptop->take_ended(), std::vector<std::string>{pair.phone.device_id});
}

TEST_F(PairedTest, HowItWasPairedIsKept) {
  Pair pair;
  auto laptop = opened();
  ASSERT_TRUE(laptop->put(pair.at_laptop));
  EXPECT_FALSE(opened()->outgoing(pair.phone.device_id)->plaintext);
  pair.at_laptop.plaintext = true;
  ASSERT_TRUE(laptop->put(pair.at_laptop));
  EXPECT_TRUE(opened()->outgoing(pair.phone.device_id)->plaintext);
}

TEST_F(PairedTest, ADamagedFileLetsNobodyIn) {
  const Pair pair;
  auto laptop = opened();
  ASSERT_TRUE(laptop->put(pair.at_laptop));
  ASSERT_TRUE(laptop->accept(pair.keys.accepting_token));
  for (const std::string bytes :
       {"", "{", "[]", "{\"devices\":[{}]}",
        R"({"devices":[{"device_id":"b","device_name":"","pin":"","scope":"root","digest":"",)"
        R"("their_scope":"view","token":"","paired_at_ms":1}]})"}) {
    std::ofstream(path_ / "devices.json", std::ios::trunc) << bytes;
    EXPECT_FALSE(laptop->accept(pair.keys.accepting_token)) << bytes;
    const auto again = DeviceCredentials::open(path_);
    ASSERT_FALSE(again) << bytes;
    EXPECT_EQ(again.error().code, "devices_damaged");
    EXPECT_NE(again.error().message.find("devices.json"), std::string::npos);
    EXPECT_FALSE(laptop->put(pair.at_laptop)) << "what cannot be read is not written over";
  }
}

TEST_F(PairedTest, HostsThatPairAtOnceLoseNothing) {
  std::vector<std::thread> hosts;
  for (int i = 0; i < 4; ++i) {
    hosts.emplace_back([this, i] {
      const auto host = opened();
      for (int j = 0; j < 4; ++j) {
        auto device = Pair().at_laptop;
        device.device_id = crypto::sha256_hex(std::to_string(i * 100 + j)).substr(0, 32);
        EXPECT_TRUE(host->put(std::move(device)));
      }
    });
  }
  for (auto& host : hosts) host.join();
  EXPECT_EQ(opened()->list().size(), 16u);
}

TEST_F(PairedTest, TheKeyIsMadeOnceAndItsPinOutlivesItsCertificate) {
  const std::string id(32, 'd');
  std::vector<std::thread> hosts;
  std::vector<std::string> pins(4);
  for (auto& pin : pins) {
    hosts.emplace_back([this, &pin, &id] {
      const auto key = device_key(path_, id);
      ASSERT_TRUE(key) << key.error().message;
      pin = key->pin;
    });
  }
  for (auto& host : hosts) host.join();
  EXPECT_EQ(std::set<std::string>(pins.begin(), pins.end()).size(), 1u);
  EXPECT_EQ(pins[0].size(), 64u);
  const auto key = *device_key(path_, id);
  EXPECT_EQ(mode_of(key.key), 0600u);
  EXPECT_EQ(*certificate_pin(key.certificate), pins[0]);
  const auto before = content(key.certificate);
  fs::remove(key.certificate);
  EXPECT_EQ(device_key(path_, id)->pin, pins[0]);
  EXPECT_NE(content(key.certificate), before);
  std::size_t left = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(path_)) ++left;
  EXPECT_EQ(left, 2u) << "no temporary file stays";
}

TEST_F(PairedTest, AKeyIsProvenToWhoKnowsItsPin) {
  const auto own = *device_key(path_, std::string(32, 'd'));
  const auto proof = *prove_key(own, "statement");
  EXPECT_EQ(crypto::sha256_hex(proof.key), own.pin);
  EXPECT_TRUE(proves_key(proof, own.pin, "statement"));
  EXPECT_FALSE(proves_key(proof, own.pin, "statemenT"));
  EXPECT_FALSE(proves_key(proof, std::string(64, 'e'), "statement"));
  for (const auto& bytes : {std::string(), std::string("no key"), std::string(100'000, 'x')}) {
    EXPECT_FALSE(proves_key({proof.key, bytes}, own.pin, "statement"));
    EXPECT_FALSE(proves_key({bytes, proof.signature}, crypto::sha256_hex(bytes), "statement"));
  }
}

TEST_F(PairedTest, AGivenKeyProvesItselfWhateverItsKind) {
  const auto run = [this](const std::string& arguments) {
    return std::system(("cd " + path_.string() +
                        " && openssl req -x509 -nodes -days 2 -subj /CN=x -keyout key.pem "
                        "-out certificate.pem " +
                        arguments + " 2>/dev/null")
                           .c_str());
  };
  const DeviceKey given{path_ / "key.pem", path_ / "certificate.pem", {}};
  for (const auto* kind : {"-newkey rsa:2048", "-newkey ed25519", "-newkey ec -pkeyopt ec_paramgen_curve:P-384"}) {
    ASSERT_EQ(run(kind), 0) << kind;
    const auto proof = prove_key(given, "statement");
    ASSERT_TRUE(proof) << kind << ": " << proof.error().message;
    EXPECT_TRUE(proves_key(*proof, *certificate_pin(given.certificate), "statement")) << kind;
    EXPECT_FALSE(proves_key(*proof, *certificate_pin(given.certificate), "another")) << kind;
  }
  const auto other = *device_key(path_ / "other", std::string(32, 'd'));
  const auto refused = prove_key({other.key, given.certificate, {}}, "statement");
  ASSERT_FALSE(refused) << "the key is not that of the certificate";
  EXPECT_EQ(refused.error().code, "device_key_unusable");
  EXPECT_NE(refused.error().message.find(other.key.string()), std::string::npos);
}

TEST_F(PairedTest, ADamagedKeyIsSaidAndKept) {
  const std::string id(32, 'd');
  const auto key = *device_key(path_, id);
  std::ofstream(key.key, std::ios::trunc) << "not a key";
  const auto again = device_key(path_, id);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "device_key_damaged");
  EXPECT_EQ(content(key.key), "not a key");
  fs::remove(key.key);
  EXPECT_EQ(device_key(path_, id).error().code, "device_key_damaged") << "the certificate is of another key";
  EXPECT_EQ(certificate_pin(path_ / "nothing").error().code, "bad_tls");
}

}  // namespace
}  // namespace lectern::presence
