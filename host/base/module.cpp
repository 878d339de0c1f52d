#include "base/module.hpp"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>

namespace lectern {
namespace fs = std::filesystem;

Result<void*> module_function(const std::string& file, const char* symbol, const std::string& code,
                              const std::string& what) {
  static std::mutex mutex;
  // Never unloaded while the program runs: libraries leave things behind in threads.
  static std::map<std::string, boost::dll::shared_library> loaded;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path path = (program.parent_path() / "../lib/lectern" / file).lexically_normal();
  const std::scoped_lock lock(mutex);
  try {
    auto& library = loaded[file];
    if (!library.is_loaded()) library.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    return reinterpret_cast<void*>(&library.get<void()>(symbol));
  } catch (const std::exception& problem) {
    return fail(500, code, path.string() + " cannot be loaded, and " + what + " is in it: " + problem.what(),
                "Install the host whole: this file belongs beside its bin folder, in lib/lectern.");
  }
}

}  // namespace lectern
