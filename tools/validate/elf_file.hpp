// What a shared object says about itself, read without loading it. Every offset is checked: the file is not trusted.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::validate {

struct ElfSymbol {
  std::string name;
  bool defined = false;
  bool weak = false;
  bool unique = false;  // STB_GNU_UNIQUE: one for the whole process, and dlclose leaves its library mapped
};

struct ElfFile {
  std::vector<ElfSymbol> symbols;   // the dynamic ones that are not local
  std::vector<std::string> needed;  // DT_NEEDED
  std::optional<std::string> soname;
  std::string run_path;    // DT_RUNPATH, else DT_RPATH
  bool no_delete = false;  // linked with -z nodelete
  bool text_relocations = false;
  bool executable_stack = false;
};

/// [any] 422 `not_a_library` saying what is wrong with the file.
Result<ElfFile> read_elf(const std::filesystem::path& path);

}  // namespace lectern::validate
