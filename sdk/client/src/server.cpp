#include "server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "lectern/client/session.hpp"
#include "state.hpp"

namespace lectern::client {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t max_entry = 64u << 10;

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

Error bad_url(const std::string& url) {
  return {0,
          "bad_url",
          "'" + url + "' is not the address of a host",
          "expected http://NAME:PORT/ or https://NAME:PORT/",
          {}};
}

std::string token_of(std::string_view query) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto member = query.substr(0, end);
    if (member.starts_with("token=")) return percent_decode(member.substr(6));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

Result<Server> parse_url(const std::string& url) {
  Server server;
  std::string_view rest = url;
  const auto scheme = rest.substr(0, rest.find("://"));
  if (scheme != "http" && scheme != "https") return bad_url(url);
  server.endpoint.tls = scheme == "https";
  rest.remove_prefix(scheme.size() + 3);
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  auto authority = rest.substr(0, end);
  rest.remove_prefix(end);
  const auto question = rest.find('?');
  if (question != std::string_view::npos)
    server.token = token_of(rest.substr(question + 1, rest.find('#') - question - 1));
  auto colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const auto bracket = authority.find(']');
    if (bracket == std::string_view::npos) return bad_url(url);
    server.endpoint.host = authority.substr(1, bracket - 1);
    colon = bracket + 1 < authority.size() ? bracket + 1 : std::string_view::npos;
    if (colon != std::string_view::npos && authority[colon] != ':') return bad_url(url);
  } else {
    server.endpoint.host = authority.substr(0, colon);
  }
  server.endpoint.port = server.endpoint.tls ? "443" : "80";
  if (colon != std::string_view::npos) server.endpoint.port = authority.substr(colon + 1);
  const auto& port = server.endpoint.port;
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool plain = std::all_of(server.endpoint.host.begin(), server.endpoint.host.end(),
                                 [](char c) { return c > ' ' && c < 0x7F && c != '@' && c != '\\'; });
  if (server.endpoint.host.empty() || port.empty() || port.size() > 5 || !digits || !plain) return bad_url(url);
  return server;
}

// A folder in the shared /tmp may be somebody else's, who would get our notebooks: only what is ours counts.
bool is_ours(const fs::path& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0 && found.st_uid == ::getuid();
}

Result<Server> newest_running() {
  const auto base = from_environment("XDG_RUNTIME_DIR");
  std::error_code error;
  const auto folder = base.empty() ? fs::temp_directory_path(error) / ("lectern-" + std::to_string(::getuid()))
                                   : fs::path(base) / "lectern";
  std::string started, url, token;
  if (is_ours(folder) && is_ours(folder / "servers")) {
    for (fs::directory_iterator at(folder / "servers", error), end; !error && at != end; at.increment(error)) {
      if (at->path().extension() != ".json" || !is_ours(at->path())) continue;
      std::ifstream in(at->path(), std::ios::binary);
      std::string text(max_entry, '\0');
      in.read(text.data(), static_cast<std::streamsize>(text.size()));
      text.resize(static_cast<std::size_t>(in.gcount()));
      const auto entry = Json::parse(text);
      if (!entry || (*entry)["started_at"].text() < started) continue;  // it ended, or is being written, or is older
      started = (*entry)["started_at"].text();
      url = (*entry)["url"].text();
      token = (*entry)["token"].text();
    }
  }
  if (url.empty()) {
    return Error{
        0, "no_server", "no host of this user is running", "start one with 'lectern serve', or give its url", {}};
  }
  auto server = parse_url(url);
  if (server && !token.empty()) server->token = token;
  return server;
}

}  // namespace

Result<Server> Server::find(const Options& options) {
  const auto url = options.url.empty() ? from_environment("LECTERN_URL") : options.url;
  auto server = url.empty() ? newest_running() : parse_url(url);
  if (!server) return server;
  if (!options.token.empty()) server->token = options.token;
  if (!std::all_of(server->token.begin(), server->token.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
    return Error{0, "bad_request", "the token has characters that no token has", "give it as the host printed it", {}};
  }
  server->endpoint.ca_file = options.ca_file;
  server->endpoint.verify_tls = options.verify_tls;
  return server;
}

net::Headers Server::headers() const {
  if (token.empty()) return {};
  return {{"Authorization", "Bearer " + token}};
}

std::string percent_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += digits[u >> 4];
      out += digits[u & 15];
    }
  }
  return out;
}

Error refusal(int status, const std::string& body) {
  const auto parsed = Json::parse(body);
  const auto& error = parsed ? (*parsed)["error"] : Json();
  if (error["code"].is_string()) {
    return {status, error["code"].text(), error["message"].text(), error["hint"].text(),
            error["details"].is_null() ? std::string() : error["details"].dump()};
  }
  return {status, "unknown", "the host refused with status " + std::to_string(status) + " and no reason", {}, {}};
}

Error mismatch(const std::string& theirs) {
  return {0,
          "protocol_mismatch",
          "the host speaks '" + theirs.substr(0, 80) + "', this library '" + std::string(protocol) + "'",
          "use matching versions of the two",
          {}};
}

Result<ConnectionInfo> connection_info(const Json& answer) {
  const auto* theirs = answer["protocol"].as_string();
  if (theirs == nullptr || *theirs != protocol) return mismatch(theirs == nullptr ? "none" : *theirs);
  const auto count = answer["cell_count"].integer();
  if (answer["session_id"].text().empty() || !answer["path"].is_string() || !count || *count < 0) {
    return state::bad_answer("connection info without session_id, path or cell_count");
  }
  ConnectionInfo info;
  info.protocol = *theirs;
  info.notebook_id = answer["notebook_id"].text();
  info.session_id = answer["session_id"].text();
  info.path = answer["path"].text();
  info.format = answer["format"].text();
  info.cell_count = static_cast<std::uint64_t>(*count);
  info.needs_trust_approval = answer["needs_trust_approval"].boolean().value_or(false);
  info.connect_url = answer["connect_url"].text();
  return info;
}

void ask(const Server& server, const std::string& method, const std::string& target, const Json& body,
         net::Milliseconds timeout, std::uint64_t max_body, std::function<void(Result<std::string>)> done) {
  net::HttpRequest request{method, target, server.headers(), {}, timeout, max_body};
  if (!body.is_null()) {
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body.dump();
  }
  net::http(server.endpoint, std::move(request), [done = std::move(done)](Result<net::HttpAnswer> answer) {
    if (!answer) return done(answer.error());
    if (answer->status < 200 || answer->status > 299) return done(refusal(answer->status, answer->body));
    done(std::move(answer->body));
  });
}

}  // namespace lectern::client
