#include "app/addresses.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace lectern::app {
namespace {

std::string text_of(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (!address) return {};
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    if (inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size())) return text.data();
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    if (inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size())) return text.data();
  }
  return {};
}

std::vector<std::string> interface_addresses() {
  std::vector<std::string> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  for (auto* at = list; at; at = at->ifa_next) {
    if (auto text = text_of(at->ifa_addr); !text.empty()) out.push_back(std::move(text));
  }
  ::freeifaddrs(list);
  return out;
}

std::string lower(std::string text) {
  for (auto& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

bool is_wildcard(const std::string& address) {
  return address == "0.0.0.0" || address == "::";
}

std::string with_port(const std::string& address, unsigned port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Result<std::string> bind_address(const std::string& bind) {
  if (bind == "localhost") return std::string("127.0.0.1");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(bind.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    return fail(400, "bad_bind", "'" + bind + "' is not an address or name of this machine: " + ::gai_strerror(code),
                "use an address, for example 127.0.0.1 or 0.0.0.0");
  }
  auto text = text_of(found->ai_addr);
  ::freeaddrinfo(found);
  return text;
}

std::vector<std::string> answered_names(const std::string& bind, const std::string& address,
                                        const std::vector<std::string>& more) {
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1", lower(bind), address};
  if (is_wildcard(address)) {
    for (auto& one : interface_addresses()) names.push_back(std::move(one));
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) == 0) names.push_back(lower(name.data()));
  }
  for (const auto& one : more) names.push_back(lower(one));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace lectern::app
