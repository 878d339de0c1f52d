#include "net/http_answer.hpp"

#include <Poco/DateTimeFormat.h>
#include <Poco/DateTimeFormatter.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Timestamp.h>

#include <algorithm>

#include "api/url.hpp"

namespace lectern::net {
namespace {

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

/// What only this layer knows, so that no handler can contradict the bytes that follow.
bool ours(std::string_view name) {
  return api::equal_without_case(name, "Content-Length") || api::equal_without_case(name, "Connection") ||
         api::equal_without_case(name, "Keep-Alive") || api::equal_without_case(name, "Transfer-Encoding") ||
         api::equal_without_case(name, "Date");
}

}  // namespace

std::string_view reason_phrase(int status) {
  if (status == 421) return "Misdirected Request";
  if (status == 425) return "Too Early";
  return Poco::Net::HTTPResponse::getReasonForStatus(static_cast<Poco::Net::HTTPResponse::HTTPStatus>(status));
}

std::uint64_t response_size(const api::Response& response) {
  return response.source ? response.source->size() : response.content().size();
}

std::string response_head(const api::Response& response, bool keep_alive, std::chrono::seconds promised) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  head += reason_phrase(response.status);
  head += "\r\nDate: ";
  Poco::DateTimeFormatter::append(head, Poco::Timestamp(), Poco::DateTimeFormat::HTTP_FORMAT);
  head += "\r\n";
  for (const auto& [name, value] : response.headers) {
    if (ours(name) || !printable(name) || !printable(value)) continue;
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (response.status >= 200 && response.status != 204 && response.status != 304) {
    head += "Content-Length: " + std::to_string(response_size(response)) + "\r\n";
  }
  if (keep_alive && promised.count() > 0) head += "Keep-Alive: timeout=" + std::to_string(promised.count()) + "\r\n";
  head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

}  // namespace lectern::net
