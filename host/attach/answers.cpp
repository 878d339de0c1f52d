#include "attach/answers.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "api/strangers.hpp"
#include "api/url.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::attach {
namespace {

constexpr std::array<std::string_view, 7> passed_on = {
    "Content-Type", "Content-Range", "ETag", "Cache-Control", "Content-Disposition", "Cross-Origin-Resource-Policy",
    "Retry-After"};

bool is_passed_on(std::string_view name) {
  return std::any_of(passed_on.begin(), passed_on.end(),
                     [name](std::string_view one) { return api::equal_without_case(one, name); });
}

/// One member of the error that a body tells; safe to show.
std::string told(const std::string& body, std::string_view member, std::size_t most) {
  const auto parsed = json::parse(body);
  const auto* error = parsed ? parsed->find("error") : nullptr;
  const auto* value = error == nullptr ? nullptr : error->find(member);
  const auto* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string() : text::label(*text, most);
}

Error no_answer(const std::string& device_name, const Error& error) {
  return {504,
          "remote_unreachable",
          "'" + device_name + "' did not answer: " + error.message,
          "what was asked may have happened; ask again with the same id",
          {}};
}

/// The asker proved itself here; it is this device that is not known there.
std::optional<Error> not_known_there(const std::string& device_name, const HttpAnswer& answer) {
  if (answer.status != 401 || told(answer.body, "code", 60) != "unauthorized") return std::nullopt;
  return Error{401,
               "not_paired",
               "'" + device_name + "' does not know this device any more",
               "pair the two devices: lectern pair",
               {}};
}

}  // namespace

api::Response forwarded_response(const std::string& device_name, Result<HttpAnswer> answer) {
  if (!answer) return api::error_response(no_answer(device_name, answer.error()));
  if (const auto stranger = not_known_there(device_name, *answer)) return api::error_response(*stranger);
  api::Response out;
  out.status = answer->status;
  for (auto& [name, value] : answer->headers) {
    if (is_passed_on(name)) out.headers.emplace_back(std::move(name), std::move(value));
  }
  // Whatever the host there says: pages of ours would run what it sends.
  for (const auto& [name, value] : api::strangers_guard) out.headers.emplace_back(name, value);
  out.shared_body = std::make_shared<const std::string>(std::move(answer->body));
  return out;
}

HttpRequest request_to(api::Forwarded request, const std::string& device_name) {
  HttpRequest out;
  out.method = std::move(request.method);
  out.target = std::move(request.target);
  out.headers = std::move(request.headers);
  out.headers.emplace_back("Lectern-Scope", std::move(request.scope));
  out.headers.emplace_back("Lectern-Device-Name", device_name);
  out.body = std::move(request.body);
  out.timeout_ms = request.deadline_ms;
  out.max_body = request.max_answer;
  return out;
}

Result<json::Value> answered_json(const std::string& device_name, Result<HttpAnswer> answer) {
  if (!answer) {
    auto error = no_answer(device_name, answer.error());
    error.hint = "it may have been created all the same: look at the sessions of that device first";
    return fail(std::move(error));
  }
  if (auto stranger = not_known_there(device_name, *answer)) return fail(std::move(*stranger));
  auto body = json::parse(answer->body);
  if (answer->status < 300 && body) return std::move(*body);
  const bool refused = answer->status >= 400 && answer->status < 600;
  Error error{refused ? answer->status : 502,
              told(answer->body, "code", 60),
              told(answer->body, "message", 400),
              told(answer->body, "hint", 400),
              {}};
  if (error.code.empty()) error.code = "remote_answer";
  if (error.message.empty()) error.message = "it answered " + std::to_string(answer->status);
  error.message = "'" + device_name + "' said: " + error.message;
  return fail(std::move(error));
}

std::pair<std::uint16_t, std::string> refusal(const Error& error) {
  switch (error.status) {
    case 401:
    case 403:
      return {1008, "UNAUTHORIZED"};
    case 404:
    case 410:
      return {1000, "SESSION_ENDED"};
    case 413:
      return {1009, error.code};
    case 429:
      return {1013, error.code == "too_many_channels" ? "SESSION_FULL" : "TOO_SLOW"};
    case 503:
      return {1013, "TOO_SLOW"};
    default:
      return {1008, error.code};
  }
}

}  // namespace lectern::attach
