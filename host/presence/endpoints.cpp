#include "presence/endpoints.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>

namespace lectern::presence {
namespace {

enum class Reach { anywhere, this_machine, nowhere };

Reach reach_of_v4(std::uint32_t address) {
  const auto first = address >> 24;
  if (first == 127) return Reach::this_machine;
  // 169.254.0.0/16 holds most clouds' metadata; the three others are Azure's, Alibaba's and Oracle's.
  const bool metadata =
      address >> 16 == 0xA9FE || address == 0xA83F8110 || address == 0x646464C8 || address == 0xC00000C0;
  return first == 0 || first >= 224 || metadata ? Reach::nowhere : Reach::anywhere;
}

std::uint32_t last_v4(const in6_addr& address) {
  std::uint32_t v4 = 0;
  std::memcpy(&v4, &address.s6_addr[12], 4);
  return ntohl(v4);
}

Reach reach_of_v6(const in6_addr& address) {
  const auto* bytes = address.s6_addr;
  constexpr std::array<std::uint8_t, 16> ec2 = {0xFD, 0x00, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54};
  constexpr std::array<std::uint8_t, 12> translated = {0x00, 0x64, 0xFF, 0x9B};
  if (IN6_IS_ADDR_LOOPBACK(&address)) return Reach::this_machine;
  if (IN6_IS_ADDR_V4MAPPED(&address) || std::memcmp(bytes, translated.data(), translated.size()) == 0) {
    return reach_of_v4(last_v4(address));
  }
  const bool link_local = bytes[0] == 0xFE && (bytes[1] & 0x80) != 0;
  const bool low = std::all_of(bytes, bytes + 12, [](std::uint8_t byte) { return byte == 0; });  // ::, and ::a.b.c.d
  if (link_local || bytes[0] == 0xFF || low || std::memcmp(bytes, ec2.data(), ec2.size()) == 0) return Reach::nowhere;
  return Reach::anywhere;
}

/// A name whose last part begins with a digit is a number to some resolver: 0x7f.1, 2130706433, 127.1.
bool is_odd_number(std::string_view name) {
  const auto last = name.substr(name.rfind('.') + 1);
  return last.empty() || (last.front() >= '0' && last.front() <= '9');
}

Reach reach_of_name(std::string name) {
  for (auto& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  if (!name.empty() && name.back() == '.') name.pop_back();
  if (name == "localhost" || name.ends_with(".localhost") || name == "ip6-localhost") return Reach::this_machine;
  if (name == "metadata" || name == "metadata.google.internal" || is_odd_number(name)) return Reach::nowhere;
  return Reach::anywhere;
}

/// `address` is host:port or [v6]:port, as parse_record() lets through.
Reach reach_of(const std::string& address) {
  auto host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    in6_addr v6{};
    const auto inner = host.substr(1, host.size() - 2);
    return ::inet_pton(AF_INET6, inner.c_str(), &v6) == 1 ? reach_of_v6(v6) : Reach::nowhere;
  }
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return reach_of_v4(ntohl(v4.s_addr));
  return reach_of_name(std::move(host));
}

}  // namespace

bool may_dial(const Endpoint& endpoint, bool same_machine) {
  if (endpoint.scheme == "unix") return same_machine;
  const auto reach = reach_of(endpoint.address);
  if (reach == Reach::nowhere) return false;
  return same_machine || (reach != Reach::this_machine && endpoint.scope != "loopback");
}

std::vector<Endpoint> dialable(const std::vector<Endpoint>& endpoints, bool same_machine) {
  std::vector<Endpoint> out;
  std::copy_if(endpoints.begin(), endpoints.end(), std::back_inserter(out),
               [&](const Endpoint& endpoint) { return may_dial(endpoint, same_machine); });
  // A socket on this machine before the network, then as the writer would have it.
  std::sort(out.begin(), out.end(), [](const Endpoint& a, const Endpoint& b) {
    const bool a_far = a.scheme != "unix", b_far = b.scheme != "unix";
    return std::tie(a.prio, a_far, a.address) < std::tie(b.prio, b_far, b.address);
  });
  return out;
}

}  // namespace lectern::presence
