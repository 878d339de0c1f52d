#include "settings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "../presence-common/files.hpp"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/settings.hpp"

namespace presence_redis {
namespace {

using lectern::sdk::Failure;

[[noreturn]] void wrong(const std::string& what, const std::string& hint) {
  throw Failure(LECTERN_INVALID, what, hint).code("bad_config");
}

void take_address(Settings& out, const std::string& address) {
  constexpr const char* hint = "for example 10.0.0.7:6379, [fd00::7]:6379 or unix:/run/redis/redis.sock";
  if (address.starts_with("unix:")) {
    out.socket = address.substr(5);
    out.host.clear();
    if (out.socket.empty() || out.socket.front() != '/' || out.socket.size() > 100) {
      wrong("the setting \"address\" names no socket by an absolute path of at most 100 bytes", hint);
    }
    return;
  }
  const auto colon = address.rfind(':');
  auto host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const char* end = address.data() + address.size();
  int port = 0;
  const auto parsed = colon == std::string::npos ? std::from_chars_result{nullptr, std::errc::invalid_argument}
                                                 : std::from_chars(address.data() + colon + 1, end, port);
  const bool plain = !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == ':';
  });
  // The address itself is not repeated: somebody may have written a URL with a password in it.
  if (!plain || parsed.ec != std::errc{} || parsed.ptr != end || port < 1 || port > 65535) {
    wrong("the setting \"address\" is no host:port", hint);
  }
  out.host = host;
  out.port = static_cast<std::uint16_t>(port);
}

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "localhost" || host == "::1";
}

}  // namespace

std::string Settings::place() const {
  if (host.empty()) return socket;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Settings Settings::read(std::string_view config) {
  lectern::sdk::Settings given(config);
  Settings out;
  const auto address = given.text("address", "");
  out.tls = given.flag("tls", false);
  out.ca_file = given.text("ca_file", "");
  out.username = given.text("username", "");
  out.password_file = given.text("password_file", "");
  out.database = static_cast<int>(given.integer("database", 0, 0, 65'535));
  out.prefix = given.text("prefix", out.prefix);
  out.timeout = std::chrono::milliseconds(given.integer("timeout_ms", 3'000, 50, 30'000));
  const bool insecure = given.flag("insecure_plaintext", false);
  given.done();
  if (!address.empty()) take_address(out, address);
  const auto& prefix = out.prefix;
  if (prefix.empty() || prefix.size() > 200 ||
      std::any_of(prefix.begin(), prefix.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7F; })) {
    wrong("the setting \"prefix\" must be 1 to 200 visible ASCII characters", "for example lectern");
  }
  if (!out.password_file.empty() && out.password_file.front() != '/') {
    wrong("the setting \"password_file\" must be an absolute path", "");
  }
  if (!out.username.empty() && out.password_file.empty()) {
    wrong("the setting \"username\" needs \"password_file\" beside it", "");
  }
  if (!out.ca_file.empty() && !out.tls) wrong("the setting \"ca_file\" means nothing without \"tls\"", "");
  if (out.tls && out.host.empty()) wrong("the setting \"tls\" means nothing for a socket on this machine", "");
  if (!out.tls && !out.host.empty() && !is_loopback(out.host) && !insecure) {
    wrong(
        "the server is beyond this machine and \"tls\" is not on: records and the password would be readable on the "
        "way",
        "set \"tls\" to true, or \"insecure_plaintext\" where the network itself is private");
  }
  return out;
}

std::string Settings::password() const {
  if (password_file.empty()) return {};
  const presence_common::Fd file(::open(password_file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) {
    throw Failure(LECTERN_UNAVAILABLE, "the file with the Redis password, " + password_file + ", cannot be read",
                  "check the setting \"password_file\"")
        .code("password_file");
  }
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    throw Failure(LECTERN_INVALID, "others may read " + password_file, "chmod 600 " + password_file)
        .code("password_file");
  }
  std::array<char, 1025> bytes{};
  const auto count = ::read(file.get(), bytes.data(), bytes.size() - 1);
  const std::string_view text(bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  const auto line = text.substr(0, text.find_first_of("\r\n"));
  if (line.empty() || line.size() > 1'000) {
    throw Failure(LECTERN_UNAVAILABLE, password_file + " does not begin with a password of at most 1000 bytes")
        .code("password_file");
  }
  return std::string(line);
}

}  // namespace presence_redis
