// Pairing with other devices, and the devices this one is paired with.
#include "api/endpoints.hpp"
#include "base/clock.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

constexpr std::uint64_t usual_offer_ms = 5 * 60'000;
constexpr std::uint64_t longest_offer_ms = 60 * 60'000;

/// What the other device may do here. "none" only where the pairing is accepted: an offer of nothing is none.
Result<std::string> granted(const json::Fields& fields, std::string_view fallback, bool or_none) {
  LECTERN_TRY(auto scope, fields.optional_string("scope"));
  auto wanted = scope.value_or(std::string(fallback));
  if (scope_of_name(wanted) || (or_none && wanted == "none")) return wanted;
  return fail(json::error_at(
      "body.scope", " is \"" + text::label(wanted, 40) + "\"",
      or_none ? "it can be none, view, interact, edit or admin" : "it can be view, interact, edit or admin"));
}

json::Value device_json(const presence::PairedDevice& device) {
  json::Value out;
  out.set("device_id", device.device_id);
  out.set("device_name", device.device_name);
  out.set("scope", device.scope);
  out.set("their_scope", device.their_scope);
  out.set("pin", device.pin);
  out.set("paired_at", clock::rfc3339(device.paired_at_ms));
  return out;
}

template <class Work>
Outcome on_worker(Workers& workers, int deadline_ms, Work work) {
  return Deferred{[&workers, work = std::move(work)](Respond respond) mutable {
                    workers.submit([work = std::move(work), respond = std::move(respond)]() mutable {
                      auto made = work();
                      respond(made ? std::move(*made) : error_response(made.error()));
                    });
                  },
                  deadline_ms};
}

}  // namespace

Outcome Endpoints::offer_pairing(Call call) {
  return on_worker(
      *parts_.workers, call.route->deadline_ms, [this, request = std::move(call.request)]() -> Result<Response> {
        LECTERN_TRY(const auto body, body_object(request));
        const json::Fields fields(body, "body");
        LECTERN_TRY(const auto scope, granted(fields, "edit", false));
        LECTERN_TRY(const auto life, fields.optional_unsigned("expires_ms"));
        if (life && (*life == 0 || *life > longest_offer_ms)) {
          return fail(json::error_at("body.expires_ms", " must be between 1 and " + std::to_string(longest_offer_ms)));
        }
        // Before the offer: a key that cannot be made should not leave a code that cannot be used.
        LECTERN_TRY(const auto self, parts_.pairing_self());
        const auto life_ms = static_cast<std::int64_t>(life.value_or(usual_offer_ms));
        const auto shown = pairing_.open(scope, life_ms, clock::now_ms());
        json::Value out;
        out.set("code", shown.code);
        out.set("scope", scope);
        out.set("expires_at", clock::rfc3339(clock::wall_ms() + life_ms));
        out.set("device_id", self.device_id);
        out.set("device_name", self.device_name);
        out.set("pin", self.pin);
        json::Array addresses;
        for (auto& address : parts_.addresses()) addresses.emplace_back(std::move(address));
        out.set("addresses", std::move(addresses));
        return json_response(201, json::write(out));
      });
}

// The code is in the body, for addresses are logged. A code that is not offered any more is as good as withdrawn.
Outcome Endpoints::withdraw_pairing(Call call) {
  const auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  const auto code = json::Fields(*body, "body").string("code");
  if (!code) return error_response(code.error());
  pairing_.withdraw(presence::normal_pairing_code(*code));
  Response response;
  response.status = 204;
  return response;
}

// Without a token: the code is what lets in. Without a proof it is only said who this is.
Outcome Endpoints::accept_pairing(Call call) {
  if (!call.request.secure && !call.request.loopback_peer) {
    return error_response(
        {403, "pairing_needs_tls", "devices are paired over TLS, or on one machine", "start the host with --tls", ""});
  }
  if (pairing_pace_.exhausted(call.request.peer, true)) {
    return error_response(
        {429, "too_many_failures", "too many tries to pair came from this address", "wait a few seconds", ""});
  }
  return on_worker(
      *parts_.workers, call.route->deadline_ms, [this, request = std::move(call.request)]() -> Result<Response> {
        // First: who comes without an invitation should cost nothing, a key to be made least of all.
        LECTERN_CHECK(pairing_.offered(clock::now_ms()));
        LECTERN_TRY(const auto body, body_object(request));
        LECTERN_TRY(const auto other, presence::party_from(body));
        LECTERN_TRY(const auto proof, presence::proof_from(body));
        LECTERN_TRY(auto self, parts_.pairing_self());
        if (!proof) {
          LECTERN_TRY(const auto greeting, pairing_.greet(std::move(self), clock::now_ms()));
          return json_response(200, json::write(presence::to_json(greeting)));
        }
        LECTERN_TRY(auto done,
                    pairing_.accept(std::move(self), other, *proof, request.peer, clock::now_ms(), clock::wall_ms()));
        // Before anything is kept: a device that cannot answer for its own key is paired with nobody.
        LECTERN_TRY(auto own, parts_.prove_key(done.statement));
        done.device.plaintext = !request.secure;
        LECTERN_CHECK(parts_.devices->put(std::move(done.device)));
        parts_.devices_changed();
        json::Value out{json::Object{}};
        presence::add_proof(out, {std::move(done.proof), std::move(own)});
        return json_response(200, json::write(out));
      });
}

Outcome Endpoints::join_pairing(Call call) {
  return on_worker(*parts_.workers, call.route->deadline_ms,
                   [this, request = std::move(call.request)]() -> Result<Response> {
                     LECTERN_TRY(const auto body, body_object(request));
                     const json::Fields fields(body, "body");
                     LECTERN_TRY(const auto address, fields.string("address"));
                     LECTERN_TRY(const auto typed, fields.string("code"));
                     LECTERN_TRY(const auto grants, granted(fields, "view", true));
                     const auto code = presence::normal_pairing_code(typed);
                     if (code.empty()) {
                       return fail(json::error_at("body.code", " is no pairing code",
                                                  "it has 20 letters and digits, as 'lectern pair' shows them"));
                     }
                     LECTERN_TRY(const auto device, parts_.join_pairing(address, code, grants));
                     LECTERN_CHECK(parts_.devices->put(device));
                     parts_.devices_changed();
                     return json_response(201, json::write(device_json(device)));
                   });
}

Outcome Endpoints::list_devices(Call) {
  json::Array rows;
  for (const auto& device : parts_.devices->list()) rows.push_back(device_json(device));
  json::Value out;
  out.set("devices", std::move(rows));
  return json_response(200, json::write(out));
}

Outcome Endpoints::unpair_device(Call call) {
  return on_worker(*parts_.workers, call.route->deadline_ms,
                   [this, id = std::move(call.arguments.at(0))]() -> Result<Response> {
                     const auto gone = parts_.devices->revoke(id);
                     // Also when the disk failed: it is void in this process.
                     parts_.devices_changed();
                     if (!gone) return fail(gone.error());
                     Response response;
                     response.status = 204;
                     return response;
                   });
}

}  // namespace lectern::api
