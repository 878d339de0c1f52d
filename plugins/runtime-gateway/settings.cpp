#include "settings.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <fstream>

#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/settings.hpp"

namespace gateway {
using lectern::sdk::Failure;
namespace {

constexpr std::size_t most_gateways = 16;
constexpr std::size_t longest_token = 8'192;

/// By its number: a name that looks like one ("127.0.0.1.example") is somebody else's.
bool is_loopback(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  if (::inet_pton(AF_INET6, host.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six) != 0;
  return host == "localhost";
}

[[noreturn]] void wrong(const std::string& what, const std::string& hint = {}) {
  throw Failure(LECTERN_INVALID, what, hint);
}

bool is_host_or_path(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '\\' && c != '"'; });
}

/// What is wrong is said without repeating the URL where a secret may be in it.
net::Endpoint read_url(std::string_view url) {
  net::Endpoint out;
  if (url.starts_with("https://")) {
    out.tls = true;
  } else if (!url.starts_with("http://")) {
    wrong("the URL of a gateway must begin with https:// or http://", "such as https://cluster.example:8888");
  }
  auto rest = url.substr(url.find("//") + 2);
  if (rest.find_first_of("?#") != std::string_view::npos || rest.find('@') != std::string_view::npos) {
    wrong("the URL of a gateway must not hold a user, a query or a fragment",
          "leave them out: the token belongs into a file of its own (token_files)");
  }
  const auto slash = rest.find('/');
  auto authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) out.base = std::string(rest.substr(slash));
  while (out.base.ends_with('/')) out.base.pop_back();
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) wrong("the URL of a gateway has an address without its ]");
    out.host = std::string(authority.substr(1, end - 1));
    authority.remove_prefix(end + 1);
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    out.host = std::string(authority.substr(0, colon));
    authority.remove_prefix(colon);
  }
  out.port = authority.empty() ? (out.tls ? "443" : "80") : std::string(authority.substr(1));
  const bool digits = std::all_of(out.port.begin(), out.port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (out.host.empty() || !is_host_or_path(out.host) || !is_host_or_path(out.base) || out.port.empty() || !digits ||
      out.port.size() > 5 || (!authority.empty() && authority.front() != ':')) {
    wrong("the URL of a gateway has no valid host and port", "such as https://cluster.example:8888");
  }
  return out;
}

}  // namespace

const std::string_view options_schema = R"({
  "type": "object", "additionalProperties": false,
  "properties": {
    "urls": {"type": "array", "items": {"type": "string"}, "maxItems": 16,
             "description": "Jupyter Servers, Kernel Gateways or Enterprise Gateways"},
    "token_files": {"type": "array", "items": {"type": "string"}, "maxItems": 16,
                    "description": "files with their tokens, in the same order; empty text: none"},
    "ca_file": {"type": "string", "description": "certificates (PEM) to trust in place of the system's"},
    "insecure_plaintext": {"type": "boolean", "description": "allows http:// beyond loopback"},
    "request_timeout_ms": {"type": "integer", "minimum": 100, "maximum": 600000, "default": 10000},
    "start_timeout_ms": {"type": "integer", "minimum": 1000, "maximum": 3600000, "default": 60000}
  }
})";

Options read_options(std::string_view config) {
  lectern::sdk::Settings settings(config);
  Options out;
  const auto urls = settings.texts("urls");
  const auto token_files = settings.texts("token_files");
  const auto ca_file = settings.text("ca_file", "");
  const bool plaintext = settings.flag("insecure_plaintext", false);
  out.request_timeout = net::Milliseconds(settings.integer("request_timeout_ms", 10'000, 100, 600'000));
  out.start_timeout = net::Milliseconds(settings.integer("start_timeout_ms", 60'000, 1'000, 3'600'000));
  settings.done();
  if (urls.size() > most_gateways) wrong("more than " + std::to_string(most_gateways) + " gateways");
  if (!token_files.empty() && token_files.size() != urls.size()) {
    wrong("there are " + std::to_string(token_files.size()) + " token files for " + std::to_string(urls.size()) +
              " gateways",
          "give one for each gateway in their order, or none");
  }
  if (!ca_file.empty() && !std::ifstream(ca_file)) wrong("the file of certificates " + ca_file + " cannot be read");
  for (std::size_t i = 0; i < urls.size(); ++i) {
    Place place{read_url(urls[i]), token_files.empty() ? std::string() : token_files[i]};
    place.endpoint.ca_file = ca_file;
    if (!place.endpoint.tls && !plaintext && !is_loopback(place.endpoint.host)) {
      wrong("http:// to " + place.endpoint.host +
                " would let everybody on the way read the token, the code and what it prints",
            "use https://, or say insecure_plaintext where the network is trusted");
    }
    (void)read_token(place);
    out.places.push_back(std::move(place));
  }
  return out;
}

std::string read_token(const Place& place) {
  if (place.token_file.empty()) return {};
  std::ifstream file(place.token_file);
  std::string token;
  if (!file || !std::getline(file, token)) {
    throw Failure(LECTERN_INVALID, "the token file " + place.token_file + " cannot be read or is empty",
                  "its first line is the token");
  }
  while (!token.empty() && (token.back() == '\r' || token.back() == ' ')) token.pop_back();
  const bool plain = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (token.empty() || !plain || token.size() > longest_token) {
    throw Failure(LECTERN_INVALID, "the first line of the token file " + place.token_file + " is no token");
  }
  return token;
}

}  // namespace gateway
