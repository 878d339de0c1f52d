#include "app/pair_dial.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>

#include <charconv>
#include <chrono>
#include <istream>
#include <memory>
#include <utility>

#include "api/endpoints.hpp"
#include "app/addresses.hpp"
#include "app/options.hpp"
#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "net/cutoff.hpp"
#include "net/tls.hpp"

namespace lectern::app {
namespace {

constexpr std::uint16_t usual_port = 8899;
constexpr std::size_t most_bytes = 16u << 10;  // of an answer
constexpr const char* route = "/api/v1/pairing/accept";

struct Target {
  std::string host;
  std::uint16_t port = usual_port;
  bool plaintext = false, tls = true;  // what is tried, in this order
  [[nodiscard]] std::string shown() const { return with_port(host, port); }
};

Result<Target> target_of(std::string address) {
  const auto bad = [given = address](const std::string& why) {
    return fail(400, "bad_request", "'" + text::label(given, 200) + "' is no address to pair with: " + why,
                "for example 192.168.1.4:8899");
  };
  Target out;
  std::string scheme;
  if (const auto end = address.find("://"); end != std::string::npos) {
    scheme = address.substr(0, end);
    address.erase(0, end + 3);
    if (scheme != "https" && scheme != "http") return bad("the scheme can be https or http");
  }
  while (!address.empty() && address.back() == '/') address.pop_back();
  const bool bracketed = address.starts_with('[');
  const auto host_end = bracketed ? address.find(']') : address.find(':');
  if (bracketed && host_end == std::string::npos) return bad("a bracket is open");
  out.host =
      address.substr(bracketed ? 1 : 0, host_end == std::string::npos ? host_end : host_end - (bracketed ? 1 : 0));
  const auto rest = host_end == std::string::npos ? std::string() : address.substr(host_end + (bracketed ? 1 : 0));
  if (!rest.empty()) {
    const auto digits = std::string_view(rest).substr(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (rest.front() != ':' || error != std::errc() || end != digits.data() + digits.size() || out.port == 0) {
      return bad("the port is a number after a colon");
    }
  }
  if (out.host.empty() || out.host.find_first_of(" /?#@\\") != std::string::npos) return bad("the host is missing");
  const bool loopback = is_loopback(out.host);
  if (scheme == "http" && !loopback) return bad("without TLS only on this machine");
  out.tls = scheme != "http";
  out.plaintext = scheme == "http" || (scheme.empty() && loopback);
  return out;
}

Error unreachable(const Target& target, const std::string& why) {
  return {502, "unreachable", "no pairing with " + target.shown() + ": " + why,
          "is a Lectern host listening there, with --tls and on an address that this machine reaches?", ""};
}

/// What the host said, as its own error; bounded, and safe to show.
Error refusal(int status, const json::Value& body) {
  const auto* inner = body.find("error");
  const auto text = [&](std::string_view key) {
    const auto* member = inner != nullptr ? inner->find(key) : nullptr;
    const auto* value = member != nullptr ? member->as_string() : nullptr;
    return value != nullptr ? text::label(*value, 300) : std::string();
  };
  const bool known = status >= 400 && status < 500 && !text("code").empty();
  return {known ? status : 502, known ? text("code") : "unreachable",
          known ? text("message") : "the other host answered " + std::to_string(status), text("hint"), ""};
}

/// The host that offers, as it is asked over and over: each time on a connection of its own, to the same key.
class Peer {
 public:
  Peer(Target target, std::chrono::milliseconds patience) : target_(std::move(target)), patience_(patience) {}

  /// Its answer to a JSON body.
  Result<json::Value> ask(const json::Value& body) {
    const auto sent = json::write(body);
    if (target_.plaintext) {
      try {
        Poco::Net::HTTPClientSession session(target_.host, target_.port);
        auto answer = exchange(session, sent);
        target_.tls = false;
        return answer;
      } catch (const Poco::Exception& error) {
        if (!target_.tls) return fail(unreachable(target_, error.displayText()));
        target_.plaintext = false;  // one that serves TLS hangs up at once
      }
    }
    try {
      LECTERN_TRY(auto* const tls, net::load_tls());
      auto made = tls->dial_device(target_.host, target_.port, pin_);
      if (!made) {
        auto error = made.error();
        if (error.status == 0) error.status = 502;
        return fail(std::move(error));
      }
      pin_ = std::move(made->pin);
      return exchange(*made->session, sent);
    } catch (const Poco::Exception& error) {
      return fail(unreachable(target_, error.displayText()));
    }
  }

  /// The key it shows; empty over plaintext and before anything was asked.
  [[nodiscard]] const std::string& pin() const { return pin_; }

 private:
  Result<json::Value> exchange(Poco::Net::HTTPClientSession& session, const std::string& sent) const {
    using namespace Poco::Net;
    session.setTimeout(Poco::Timespan(5, 0), Poco::Timespan(10, 0), Poco::Timespan(10, 0));
    HTTPRequest request(HTTPRequest::HTTP_POST, route, HTTPMessage::HTTP_1_1);
    request.set("Host", target_.shown());
    request.set("User-Agent", "lectern/" + std::string(api::host_version()));
    request.set("Connection", "close");
    request.setContentType("application/json");
    request.setContentLength(static_cast<std::streamsize>(sent.size()));
    // What is sent fits into the socket's buffer; what comes back can come a byte at a time.
    auto& out = session.sendRequest(request);
    const net::Cutoff cutoff(session.socket().impl()->sockfd(), patience_);
    out << sent << std::flush;
    HTTPResponse response;
    auto& stream = session.receiveResponse(response);
    std::string received(most_bytes, '\0');
    stream.read(received.data(), static_cast<std::streamsize>(received.size()));
    received.resize(static_cast<std::size_t>(stream.gcount()));
    auto parsed = json::parse(received);
    if (parsed && response.getStatus() == HTTPResponse::HTTP_OK) return parsed;
    return fail(refusal(response.getStatus(), parsed ? *parsed : json::Value()));
  }

  Target target_;
  const std::chrono::milliseconds patience_;  // with one answer
  std::string pin_;
};

}  // namespace

Result<presence::PairedDevice> dial_pairing(presence::PairingParty self, const presence::DeviceKey& key,
                                            const std::string& address, const std::string& code,
                                            std::chrono::milliseconds patience) {
  LECTERN_TRY(const auto target, target_of(address));
  Peer peer(target, patience);
  self.nonce = text::to_hex(crypto::random_bytes(32));
  auto said = presence::to_json(self);
  LECTERN_TRY(const auto greeting, peer.ask(said));
  const auto other = presence::party_from(greeting);
  if (!other) return fail(unreachable(target, "its answer is not that of a Lectern host"));
  // Before any proof: whoever ends the TLS in between has another key than the one that is spoken of.
  if (!peer.pin().empty() && other->pin != peer.pin()) {
    return fail(502, "another_key", target.shown() + " speaks TLS with another key than the device says it has",
                "somebody stands in between, or a proxy ends TLS there: pair with the host's own address");
  }
  if (other->device_id == self.device_id) {
    return fail(409, "pairing_self", "this is the same device: its hosts know each other already",
                "pair from another device, or with another --state-dir");
  }
  const auto keys = presence::pairing_keys(code, *other, self);
  LECTERN_TRY(auto signed_here, presence::prove_key(key, keys.accepting_statement));
  presence::add_proof(said, {keys.accepting_proof, std::move(signed_here)});
  LECTERN_TRY(const auto answer, peer.ask(said));
  const auto proof = presence::proof_from(answer);
  if (!proof || !*proof || !crypto::equal((*proof)->code, keys.offering_proof)) {
    return fail(502, "pairing_unproven", target.shown() + " took the code and does not know it itself",
                "it is not the device that showed the code: nothing was stored here");
  }
  if (!presence::proves_key((*proof)->key, other->pin, keys.offering_statement)) {
    return fail(502, "key_unproven", target.shown() + " did not show that it has the key it says it has",
                "nothing was stored here; 'lectern unpair' there takes back what it stored. Is it the same version?");
  }
  auto device = presence::paired_device(self, *other, keys.accepting_token, keys.offering_token, clock::wall_ms());
  device.plaintext = peer.pin().empty();
  return device;
}

}  // namespace lectern::app
