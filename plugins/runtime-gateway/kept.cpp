#include "kept.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace gateway {
namespace json = lectern::sdk::json;

std::optional<std::string> write_kept(const std::string& folder, const Kept& kept) {
  const auto text = "{\"gateway\":" + json::quoted(kept.authority) + ",\"id\":" + json::quoted(kept.id) +
                    ",\"session\":" + json::quoted(kept.session) + ",\"name\":" + json::quoted(kept.remote) +
                    ",\"language\":" + json::quoted(kept.language) + "}";
  ::mkdir(folder.c_str(), 0700);
  const auto path = folder + "/gateway.json", fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool whole = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int problem = errno;
  if (fd >= 0) ::close(fd);
  if (whole && std::rename(fresh.c_str(), path.c_str()) == 0) return std::nullopt;
  return "cannot write " + path + ": " + std::strerror(problem);
}

Kept read_kept(const std::string& folder) {
  std::ifstream file(folder + "/gateway.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!json::valid(text)) {
    throw lectern::sdk::Failure(LECTERN_NOT_FOUND, "nothing is known of it in " + folder);
  }
  return {json::text(json::member(text, "gateway")), json::text(json::member(text, "id")),
          json::text(json::member(text, "session")), json::text(json::member(text, "name")),
          json::text(json::member(text, "language"))};
}

}  // namespace gateway
