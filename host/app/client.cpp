#include "app/client.hpp"

#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/StreamCopier.h>
#include <Poco/URI.h>

#include <memory>

#include "api/endpoints.hpp"
#include "net/tls.hpp"

namespace lectern::app {
namespace net = Poco::Net;
namespace {

Error error_of(int status, const json::Value& body) {
  Error error{status, "failed", "the server answered " + std::to_string(status), "", ""};
  const auto* inner = body.find("error");
  if (!inner) return error;
  const auto text = [&](std::string_view key) {
    const auto* member = inner->find(key);
    const auto* value = member ? member->as_string() : nullptr;
    return value ? *value : std::string();
  };
  error.code = text("code");
  error.message = text("message");
  error.hint = text("hint");
  if (const auto* details = inner->find("details")) error.details = json::write(*details);
  return error;
}

}  // namespace

Result<Client> Client::to(RunningServer server) {
  try {
    const Poco::URI uri(server.url);
    Client client;
    client.tls_ = uri.getScheme() == "https";
    if ((uri.getScheme() != "http" && !client.tls_) || uri.getHost().empty()) throw Poco::SyntaxException("url");
    client.host_ = uri.getHost();
    client.port_ = uri.getPort();
    client.server_ = std::move(server);
    // A URL as the start line prints it carries its token.
    for (const auto& [key, value] : uri.getQueryParameters()) {
      if (key == "token" && client.server_.token.empty()) client.server_.token = value;
    }
    return client;
  } catch (const Poco::Exception&) {
    return fail(400, "usage", "'" + server.url + "' is not an address of a server",
                "for example http://127.0.0.1:8899");
  }
}

Result<Client::Answer> Client::request(const std::string& method, const std::string& path, const json::Value& body,
                                       const std::vector<std::pair<std::string, std::string>>& headers, int timeout_s) {
  try {
    auto session = std::make_unique<net::HTTPClientSession>(host_, port_);
    if (tls_) {
      // A server of our own list names its certificate file, and exactly that one is accepted: self-signed ones are
      // usual there, and no name needs to match. Any other server is checked against the system's authorities.
      LECTERN_TRY(auto* const tls, lectern::net::load_tls());
      LECTERN_TRY(session, tls->dial(host_, port_, server_.tls_cert));
    }
    session->setTimeout(Poco::Timespan(5, 0), Poco::Timespan(timeout_s, 0), Poco::Timespan(timeout_s, 0));
    net::HTTPRequest request(method, path, net::HTTPMessage::HTTP_1_1);
    request.set("Host", Poco::URI(server_.url).getAuthority());
    request.set("User-Agent", "lectern/" + std::string(api::host_version()));
    request.set("Connection", "close");
    if (!server_.token.empty()) request.set("Authorization", "Bearer " + server_.token);
    for (const auto& [name, value] : headers) request.set(name, value);
    const auto text = body.is_null() ? std::string() : json::write(body);
    if (!body.is_null()) request.setContentType("application/json");
    request.setContentLength(static_cast<std::streamsize>(text.size()));
    session->sendRequest(request) << text << std::flush;
    net::HTTPResponse response;
    auto& stream = session->receiveResponse(response);
    std::string received;
    Poco::StreamCopier::copyToString(stream, received);
    Answer answer;
    answer.status = response.getStatus();
    if (!received.empty()) {
      auto parsed = json::parse(received);
      if (parsed) answer.body = std::move(*parsed);
    }
    answer.text = std::move(received);
    if (answer.status >= 400) return fail(error_of(answer.status, answer.body));
    return answer;
  } catch (const Poco::Exception& error) {
    return fail(0, "unreachable", "no answer from " + server_.url + ": " + error.displayText(),
                "is the server still running? 'lectern ls' lists those that are");
  }
}

}  // namespace lectern::app
