#include "raw_plugin.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <mutex>

#include "base/text.hpp"

namespace lectern::validate {

namespace {

std::recursive_mutex& control() {
  static std::recursive_mutex mutex;
  return mutex;
}

void on_log(void* ctx, std::int32_t, lectern_str message) noexcept {
  auto& host = *static_cast<TestHost*>(ctx);
  ++host.lines;
  if (!host.alive) ++host.late;
  if (message.n != 0 && message.p == nullptr) ++host.null_texts;
}
const void* on_extension(void* ctx, lectern_str) noexcept {
  auto& host = *static_cast<TestHost*>(ctx);
  if (!host.alive) ++host.late;
  return nullptr;
}

tl::unexpected<Error> failed(const std::string& what) {
  return fail(500, "load_failed", what, "The test load.host tells more.");
}

}  // namespace

std::string said(const lectern_error& error) {
  return text::label(std::string_view(error.message, ::strnlen(error.message, sizeof error.message)), 500);
}

TestHost::TestHost() {
  abi.struct_size = sizeof abi;
  abi.abi_major = LECTERN_ABI_MAJOR;
  abi.abi_minor = LECTERN_ABI_MINOR;
  abi.ctx = this;
  abi.log = &on_log;
  abi.get_extension = &on_extension;
}

Result<std::unique_ptr<RawPlugin>> RawPlugin::load(const std::filesystem::path& library) {
  const std::scoped_lock lock(control());
  std::unique_ptr<RawPlugin> made(new RawPlugin);
  made->path_ = library;
  made->handle_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (made->handle_ == nullptr) {
    const char* why = ::dlerror();
    return failed(std::string("it cannot be loaded: ") + (why == nullptr ? "no reason given" : why));
  }
  // A function pointer out of an object pointer, as POSIX wants it.
  const lectern_entry* (*get_entry)() = nullptr;
  void* symbol = ::dlsym(made->handle_, "lectern_plugin_entry");
  std::memcpy(&get_entry, &symbol, sizeof get_entry);
  if (get_entry == nullptr) return failed("it does not export lectern_plugin_entry");
  const lectern_entry* raw = get_entry();
  if (raw == nullptr) return failed("lectern_plugin_entry gives null");
  std::memcpy(&made->entry_, raw, std::min<std::size_t>(raw->struct_size, sizeof made->entry_));
  if (made->entry_.init == nullptr || made->entry_.deinit == nullptr || made->entry_.get_kind == nullptr)
    return failed("its entry lacks init, deinit or get_kind");
  made->host_.alive = true;
  lectern_error error = empty_error();
  lectern_status status = LECTERN_INTERNAL;
  const auto thrown = thrown_by([&] { status = may_throw(made->entry_.init)(&made->host_.abi, &error); });
  if (thrown.empty() && status == LECTERN_OK) return made;
  made->host_.alive = false;
  return failed("init " + (thrown.empty() ? "refused: " + said(error) : thrown));
}

const void* RawPlugin::interface(plugin::Kind kind) const {
  const std::scoped_lock lock(control());
  return entry_.get_kind(to_abi(plugin::kind_name(kind)));
}

bool RawPlugin::close() {
  if (handle_ == nullptr) return true;
  const std::scoped_lock lock(control());
  if (host_.alive) {
    (void)thrown_by([&] { may_throw(entry_.deinit)(); });
    host_.alive = false;
  }
  ::dlclose(handle_);
  handle_ = nullptr;
  return !is_mapped(path_);
}

RawPlugin::~RawPlugin() {
  close();
}

std::filesystem::path fresh_copy(const std::filesystem::path& library, const std::filesystem::path& work) {
  static std::atomic<int> number{0};
  const auto folder = work / ("copy-" + std::to_string(++number));
  std::filesystem::create_directories(folder);
  std::filesystem::path path = folder / library.filename();
  std::filesystem::copy_file(library, path);
  return path;
}

bool is_mapped(const std::filesystem::path& path) {
  std::ifstream maps("/proc/self/maps");
  const std::string wanted = std::filesystem::weakly_canonical(path).string();
  for (std::string line; std::getline(maps, line);) {
    const auto at = line.find('/');
    if (at != std::string::npos && line.compare(at, wanted.size(), wanted) == 0) return true;
  }
  return false;
}

}  // namespace lectern::validate
