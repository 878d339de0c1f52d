#include "plugin/library.hpp"

#include <dlfcn.h>
#include <elf.h>

#define BOOST_DLL_USE_STD_FS
#include <array>
#include <boost/dll/shared_library.hpp>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <vector>

#include "base/text.hpp"

namespace lectern::plugin {

namespace {

#if defined(__x86_64__)
constexpr unsigned this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned this_machine = EM_AARCH64;
#elif defined(__riscv)
constexpr unsigned this_machine = EM_RISCV;
#else
#error "name this machine's ELF number here"
#endif

constexpr const char* symbol = "lectern_plugin_entry";

tl::unexpected<Error> no_library(const std::filesystem::path& shown, const std::string& what, std::string hint) {
  return fail(422, "not_a_library", shown.string() + " " + what, std::move(hint));
}

/// How many of us have a path open. Two generations of the same content share one mapping, so closing the first leaves
/// it mapped for a good reason.
struct OpenPaths {
  std::mutex mutex;
  std::map<std::filesystem::path, int> count;
};
OpenPaths& open_paths() {
  // Never destroyed: a registry that is itself static closes its libraries after other statics are gone.
  static OpenPaths& paths = *std::make_unique<OpenPaths>().release();
  return paths;
}

}  // namespace

struct Library::Inner {
  boost::dll::shared_library handle;
};

namespace {

/// True when `count` records of `each` bytes at `offset` lie inside a file of `size` bytes.
bool inside(std::uint64_t offset, std::uint64_t count, std::uint64_t each, std::uint64_t size) {
  return offset <= size && (each == 0 || count <= (size - offset) / each);
}

/// What the headers promise must be there: dlopen maps a file that was cut off without a word, and the first touch of
/// the missing part ends the process with SIGBUS.
bool is_whole(std::ifstream& file, const Elf64_Ehdr& header, std::uint64_t size) {
  if (header.e_phentsize != sizeof(Elf64_Phdr) || !inside(header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr), size) ||
      !inside(header.e_shoff, header.e_shnum, header.e_shentsize, size)) {
    return false;
  }
  file.clear();
  file.seekg(static_cast<std::streamoff>(header.e_phoff));
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part{};
    if (!file.read(reinterpret_cast<char*>(&part), sizeof part)) return false;
    if (part.p_type != PT_NULL && !inside(part.p_offset, part.p_filesz, 1, size)) return false;
  }
  return true;
}

}  // namespace

Status check_library_file(const std::filesystem::path& path, const std::filesystem::path& shown) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return fail(404, "not_found", shown.string() + " does not exist or is no file",
                "The manifest names it as its library: install the plugin again.");
  }
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header{};
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  const auto got = file.gcount();
  if (got < SELFMAG || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    const std::string start(reinterpret_cast<const char*>(&header), static_cast<std::size_t>(got));
    return no_library(shown, "is no shared library: it starts with \"" + text::label(start, 16) + "\"",
                      "Build the plugin and install the resulting .so, not its source or a script.");
  }
  const auto cut = [&] {
    return no_library(shown, "is an ELF file that was cut off", "Copy it again; the disk may have been full.");
  };
  if (got < static_cast<std::streamsize>(sizeof header)) return cut();
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != this_machine) {
    return no_library(shown, "is built for another kind of machine", "Build the plugin on this machine.");
  }
  if (header.e_type != ET_DYN) {
    return no_library(shown, "is an ELF file but no shared object",
                      "Link the plugin as a shared module (lectern_add_plugin).");
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error || !is_whole(file, header, size)) return cut();
  return {};
}

Result<std::unique_ptr<Library>> Library::open(const std::filesystem::path& path, const std::filesystem::path& shown) {
  LECTERN_CHECK(check_library_file(path, shown));
  std::unique_ptr<Library> made(new Library);
  made->path_ = path;
  made->inner_ = std::make_unique<Inner>();
  auto& handle = made->inner_->handle;
  try {
    // The throwing form: the other loses dlerror's text, which names the missing symbol.
    const std::scoped_lock lock(open_paths().mutex);
    handle.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    ++open_paths().count[path];
    if (!handle.has(symbol)) {
      made->forget();
      return fail(422, "missing_symbol", shown.string() + " does not export " + symbol,
                  "A plugin says LECTERN_PLUGIN(…) once in its sources and is linked by lectern_add_plugin().");
    }
    made->entry_ = &handle.get<const lectern_entry*() noexcept>(symbol);
  } catch (const std::exception& problem) {
    return fail(500, "load_failed", shown.string() + " cannot be loaded: " + text::label(problem.what(), 600),
                "A library it needs is missing, or it was linked without -Wl,-z,defs; `ldd -r` on it tells.");
  }
  return made;
}

void Library::forget() {
  inner_->handle.unload();
  inner_.reset();
  auto& count = open_paths().count;
  if (--count[path_] == 0) count.erase(path_);
}

bool Library::close() {
  const std::scoped_lock lock(open_paths().mutex);
  forget();
  if (open_paths().count.contains(path_)) return true;
  // This look takes a reference of its own, which is never given back: what did not unload stays, whole.
  return ::dlopen(path_.c_str(), RTLD_LAZY | RTLD_NOLOAD) == nullptr;
}

Library::~Library() {
  if (inner_ == nullptr || !inner_->handle.is_loaded()) return;
  // Never destroyed, not even at exit: a thread may still be inside the code.
  static std::vector<std::unique_ptr<Inner>>* const for_ever =
      std::make_unique<std::vector<std::unique_ptr<Inner>>>().release();
  const std::scoped_lock lock(open_paths().mutex);
  for_ever->push_back(std::move(inner_));
}

}  // namespace lectern::plugin
