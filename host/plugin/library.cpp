#include "plugin/library.hpp"

#include <dlfcn.h>
#include <elf.h>

#define BOOST_DLL_USE_STD_FS
#include <array>
#include <boost/dll/shared_library.hpp>
#include <cstring>
#include <fstream>

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

}  // namespace

struct Library::Inner {
  boost::dll::shared_library handle;
};

Status check_library_file(const std::filesystem::path& path, const std::filesystem::path& shown) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return fail(404, "not_found", shown.string() + " does not exist or is no file",
                "The manifest names it as its library: install the plugin again.");
  }
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header{};
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  if (file.gcount() < static_cast<std::streamsize>(SELFMAG) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    const std::string start(reinterpret_cast<const char*>(&header), static_cast<std::size_t>(file.gcount()));
    return no_library(shown, "is no shared library: it starts with \"" + text::label(start, 16) + "\"",
                      "Build the plugin and install the resulting .so, not its source or a script.");
  }
  if (file.gcount() < static_cast<std::streamsize>(sizeof header)) {
    return no_library(shown, "is cut off after " + std::to_string(file.gcount()) + " bytes", "Copy it again.");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != this_machine) {
    return no_library(shown, "is built for another kind of machine", "Build the plugin on this machine.");
  }
  if (header.e_type != ET_DYN) {
    return no_library(shown, "is an ELF file but no shared object",
                      "Link the plugin as a shared module (lectern_add_plugin).");
  }
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
    handle.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    if (!handle.has(symbol)) {
      handle.unload();
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

bool Library::close() {
  inner_->handle.unload();
  inner_.reset();
  if (void* still = ::dlopen(path_.c_str(), RTLD_LAZY | RTLD_NOLOAD)) {
    // This look took a reference of its own, which is never given back: what did not unload stays, whole.
    (void)still;
    return false;
  }
  return true;
}

Library::~Library() {
  if (inner_ != nullptr && inner_->handle.is_loaded()) (void)inner_.release();
}

}  // namespace lectern::plugin
