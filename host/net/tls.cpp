#include "net/tls.hpp"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <mutex>

namespace lectern::net {
namespace {

namespace fs = std::filesystem;

// Installed: <prefix>/lib/lectern beside <prefix>/bin. Build tree: the same places under the build folder.
fs::path file() {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error);
  return (program.parent_path() / "../lib/lectern/lectern-tls.so").lexically_normal();
}

}  // namespace

Result<Tls*> load_tls() {
  static std::mutex mutex;
  static Tls* loaded = nullptr;
  const std::scoped_lock lock(mutex);
  if (loaded != nullptr) return loaded;
  try {
    // Never unloaded: OpenSSL leaves things behind in threads.
    static boost::dll::shared_library library;
    library.load(file(), boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    loaded = library.get<Tls*()>("lectern_tls")();
    return loaded;
  } catch (const std::exception& problem) {
    return fail(500, "tls_missing", file().string() + " cannot be loaded, and TLS is in it: " + problem.what(),
                "Install the host whole: this file belongs beside its bin folder, in lib/lectern.");
  }
}

}  // namespace lectern::net
