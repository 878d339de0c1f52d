#include "api/http.hpp"

#include "api/url.hpp"
#include "base/json.hpp"

namespace lectern::api {

const std::string* Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_without_case(key, name)) return &value;
  }
  return nullptr;
}

std::optional<std::string> Request::parameter(std::string_view name) const {
  for (auto& [key, value] : parse_query(query)) {
    if (key == name) return std::move(value);
  }
  return std::nullopt;
}

Response json_response(int status, std::string json) {
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json; charset=utf-8"},
                      {"Cache-Control", "no-store"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.body = std::move(json);
  return response;
}

Response error_response(const Error& error) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("error").begin_object();
  writer.member("code", error.code).member("message", error.message);
  if (!error.hint.empty()) writer.member("hint", error.hint);
  if (!error.details.empty()) writer.member_raw("details", error.details);
  writer.end_object().end_object();
  auto response = json_response(error.status, std::move(body));
  if (error.status == 405) {
    // The router names the methods in the details; the header is for clients that read only heads.
    if (const auto details = json::parse(error.details); details && details->find("allow")) {
      response.headers.emplace_back("Allow", *details->find("allow")->as_string());
    }
  }
  if (error.status == 429 || error.status == 503) response.headers.emplace_back("Retry-After", "1");
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"lectern\"");
  return response;
}

}  // namespace lectern::api
