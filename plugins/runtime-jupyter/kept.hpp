// What is written down of a kernel that outlives its host, in the private folder the host gave for it.
#pragma once

#include <filesystem>
#include <string>

#include "process.hpp"

namespace jupyter {

struct Kept {
  KeptProcess process;
  std::filesystem::path connection_file;
  std::string session;  // of our messages
};

/// Makes the folder (mode 0700) if it is not there. Throws lectern::sdk::Failure.
void make_kept_folder(const std::filesystem::path& folder);
/// Where such a kernel writes what it says on its standard output and error.
std::filesystem::path kept_log(const std::filesystem::path& folder);
/// Whole or not at all, mode 0600. Throws lectern::sdk::Failure.
void write_kept(const std::filesystem::path& folder, const Kept& kept);
/// Throws lectern::sdk::Failure (LECTERN_NOT_FOUND) when nothing is written there, or it is of an earlier boot.
Kept read_kept(const std::filesystem::path& folder);

}  // namespace jupyter
