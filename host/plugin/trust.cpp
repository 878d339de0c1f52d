#include "plugin/trust.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "plugin/library.hpp"

namespace lectern::plugin {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t hash_digits = 64;
constexpr std::size_t most_of_list = 1u << 20;

/// Whoever may write the list may run code in the host: only its owner may be able to.
bool written_by_us_alone(const fs::path& list) {
  struct stat facts {};
  if (::stat(list.c_str(), &facts) != 0) return false;
  const bool ours = facts.st_uid == ::geteuid() || facts.st_uid == 0;
  if (S_ISREG(facts.st_mode) && ours && (facts.st_mode & 0022) == 0) return true;
  log::warning("plugins", list.string() + " is not used: others may write it. Mend its owner and mode (0644).");
  return false;
}

std::vector<std::string> lines_of(const fs::path& list) {
  std::vector<std::string> lines;
  std::error_code error;
  if (!fs::exists(list, error) || !written_by_us_alone(list)) return lines;
  if (fs::file_size(list, error) > most_of_list || error) return lines;
  std::ifstream file(list);
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  return lines;
}

bool names(const std::string& line, std::string_view sha256) {
  return sha256.size() == hash_digits && line.size() >= hash_digits &&
         std::string_view(line).substr(0, hash_digits) == sha256 &&
         (line.size() == hash_digits || line[hash_digits] == ' ');
}

Status write_list(const fs::path& list, const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  std::error_code ignored;
  fs::create_directories(list.parent_path(), ignored);
  const fs::path temporary = list.string() + "." + std::to_string(::getpid()) + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool whole =
      fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  int problem = errno;
  if (fd >= 0) ::close(fd);
  if (whole && ::rename(temporary.c_str(), list.c_str()) != 0) {
    whole = false;
    problem = errno;
  }
  if (whole) return {};
  ::unlink(temporary.c_str());
  return fail(500, "trust_failed", list.string() + " cannot be written: " + std::strerror(problem),
              "It lies beside lectern.conf; see XDG_CONFIG_HOME.");
}

}  // namespace

bool is_trusted(const TrustLists& lists, std::string_view sha256) {
  const auto on = [&](const fs::path& list) {
    const auto lines = lines_of(list);
    return std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return names(line, sha256); });
  };
  return std::any_of(lists.own.begin(), lists.own.end(), on) || (!lists.users.empty() && on(lists.users));
}

Result<std::string> library_hash(const fs::path& library) {
  LECTERN_CHECK(check_library_file(library, library));
  std::ifstream file(library, std::ios::binary);
  crypto::Sha256 digest;
  std::string chunk(1u << 20, '\0');
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0)
    digest.update(std::string_view(chunk).substr(0, static_cast<std::size_t>(file.gcount())));
  return text::to_hex(digest.finish());
}

Status trust(const fs::path& list, const std::string& sha256, std::string_view note) {
  auto lines = lines_of(list);
  for (const auto& line : lines) {
    if (names(line, sha256)) return {};
  }
  lines.push_back(sha256 + "  " + text::label(note, 1000));
  return write_list(list, lines);
}

Result<bool> untrust(const fs::path& list, const std::string& sha256) {
  auto lines = lines_of(list);
  if (std::erase_if(lines, [&](const auto& line) { return names(line, sha256); }) == 0) return false;
  LECTERN_CHECK(write_list(list, lines));
  return true;
}

}  // namespace lectern::plugin
