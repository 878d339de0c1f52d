#include "load/http.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "load/host.hpp"

namespace load {

lectern::json::Value parse_json(const std::string& text, const std::string& what) {
  auto value = lectern::json::parse(text, {.bytes = 1u << 30, .nodes = 100'000'000});
  if (!value) give_up(what + ": " + value.error().message);
  return std::move(*value);
}

lectern::json::Value http(int port, const std::string& method, const std::string& path, const std::string& body,
                          const std::vector<std::string>& headers) {
  const int fd = dial(port);
  std::string head = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                     "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  for (const auto& header : headers) head += header + "\r\n";
  write_all(fd, head + "\r\n" + body);
  std::string answer;
  char buffer[65536];
  for (;;) {
    const auto count = ::recv(fd, buffer, sizeof buffer, 0);
    if (count <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(fd);
  const auto split = answer.find("\r\n\r\n");
  if (split == std::string::npos || std::atoi(answer.c_str() + 9) >= 400) give_up(method + " " + path + ": " + answer);
  const auto text = answer.substr(split + 4);
  return text.empty() ? lectern::json::Value() : parse_json(text, method + " " + path);
}

}  // namespace load
