#include "elf_file.hpp"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <string_view>

namespace lectern::validate {

namespace {

constexpr std::uintmax_t max_bytes = 256u << 20;

tl::unexpected<Error> bad(const std::string& what) {
  return fail(422, "not_a_library", "the library " + what, "Build it again, and copy it whole.");
}

/// A file in memory that is only read where it is.
class Image {
 public:
  explicit Image(std::string bytes) : bytes_(std::move(bytes)) {}

  template <class T>
  [[nodiscard]] std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) return std::nullopt;
    T made;
    std::memcpy(&made, bytes_.data() + offset, sizeof made);
    return made;
  }
  [[nodiscard]] std::optional<std::string_view> part(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) return std::nullopt;
    return std::string_view(bytes_).substr(offset, size);
  }

 private:
  std::string bytes_;
};

/// The text that starts at `offset` of a string table; empty when it is not ended inside.
std::string text_at(std::string_view table, std::uint64_t offset) {
  if (offset >= table.size()) return {};
  const auto rest = table.substr(offset);
  const auto end = rest.find('\0');
  return end == std::string_view::npos ? std::string() : std::string(rest.substr(0, end));
}

struct Sections {
  std::vector<Elf64_Shdr> all;
  [[nodiscard]] const Elf64_Shdr* first(unsigned type) const {
    for (const auto& one : all) {
      if (one.sh_type == type) return &one;
    }
    return nullptr;
  }
};

Result<Sections> read_sections(const Image& image, const Elf64_Ehdr& header) {
  Sections made;
  if (header.e_shentsize != sizeof(Elf64_Shdr)) return bad("has no section headers: it was stripped of them");
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto section = image.at<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
    if (!section) return bad("is cut off in its section headers");
    made.all.push_back(*section);
  }
  return made;
}

Result<std::string_view> strings_of(const Image& image, const Sections& sections, const Elf64_Shdr& section) {
  if (section.sh_link >= sections.all.size()) return bad("names a string table that does not exist");
  const auto& strings = sections.all[section.sh_link];
  const auto table = image.part(strings.sh_offset, strings.sh_size);
  if (!table) return bad("has a string table outside of the file");
  return *table;
}

Status read_symbols(const Image& image, const Sections& sections, ElfFile& to) {
  const auto* table = sections.first(SHT_DYNSYM);
  if (table == nullptr) return bad("has no dynamic symbols");
  if (table->sh_entsize != sizeof(Elf64_Sym)) return bad("has symbols of an unknown size");
  LECTERN_TRY(const auto strings, strings_of(image, sections, *table));
  for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= table->sh_size; at += sizeof(Elf64_Sym)) {
    const auto raw = image.at<Elf64_Sym>(table->sh_offset + at);
    if (!raw) return bad("is cut off in its symbols");
    const unsigned binding = ELF64_ST_BIND(raw->st_info);
    if (binding == STB_LOCAL) continue;
    const unsigned visibility = ELF64_ST_VISIBILITY(raw->st_other);
    const bool defined = raw->st_shndx != SHN_UNDEF;
    if (defined && (visibility == STV_HIDDEN || visibility == STV_INTERNAL)) continue;
    to.symbols.push_back({text_at(strings, raw->st_name), defined, binding == STB_WEAK, binding == STB_GNU_UNIQUE});
  }
  return {};
}

Status read_dynamic(const Image& image, const Sections& sections, ElfFile& to) {
  const auto* section = sections.first(SHT_DYNAMIC);
  if (section == nullptr) return bad("has no dynamic section");
  LECTERN_TRY(const auto strings, strings_of(image, sections, *section));
  for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= section->sh_size; at += sizeof(Elf64_Dyn)) {
    const auto entry = image.at<Elf64_Dyn>(section->sh_offset + at);
    if (!entry) return bad("is cut off in its dynamic section");
    const auto value = entry->d_un.d_val;
    switch (entry->d_tag) {
      case DT_NEEDED:
        to.needed.push_back(text_at(strings, value));
        break;
      case DT_SONAME:
        to.soname = text_at(strings, value);
        break;
      case DT_RPATH:
        if (to.run_path.empty()) to.run_path = text_at(strings, value);
        break;
      case DT_RUNPATH:
        to.run_path = text_at(strings, value);
        break;
      case DT_TEXTREL:
        to.text_relocations = true;
        break;
      case DT_FLAGS:
        to.text_relocations = to.text_relocations || (value & DF_TEXTREL) != 0;
        break;
      case DT_FLAGS_1:
        to.no_delete = (value & DF_1_NODELETE) != 0;
        break;
      case DT_NULL:
        return {};
      default:
        break;
    }
  }
  return {};
}

Status read_segments(const Image& image, const Elf64_Ehdr& header, ElfFile& to) {
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return bad("has program headers of an unknown size");
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto segment = image.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) return bad("is cut off in its program headers");
    if (segment->p_type == PT_GNU_STACK) to.executable_stack = (segment->p_flags & PF_X) != 0;
  }
  return {};
}

}  // namespace

Result<ElfFile> read_elf(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return bad("cannot be read: " + error.message());
  if (size > max_bytes) return bad("is larger than 256 MiB");
  std::string bytes(static_cast<std::size_t>(size), '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  const Image image(std::move(bytes));
  const auto header = image.at<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return bad("is no ELF file");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_type != ET_DYN) return bad("is no 64-bit shared object");
  ElfFile made;
  LECTERN_TRY(const Sections sections, read_sections(image, *header));
  LECTERN_CHECK(read_segments(image, *header, made));
  LECTERN_CHECK(read_symbols(image, sections, made));
  LECTERN_CHECK(read_dynamic(image, sections, made));
  return made;
}

}  // namespace lectern::validate
