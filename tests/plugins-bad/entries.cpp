// One broken entry per build: CASE_* says which.
#include "lectern/abi/draft/policy.h"
#include "lectern/abi/entry.h"

#include <cstring>
#include <stdexcept>

namespace {

template <std::size_t N>
constexpr lectern_str text(const char (&literal)[N]) {
  return {literal, N - 1};
}

lectern_status create(lectern_str, void** self, lectern_error*) noexcept {
  static int object = 0;
  *self = &object;
  return LECTERN_OK;
}
void destroy(void*) noexcept {}
[[maybe_unused]] lectern_status reduce(const void*, lectern_str, const lectern_room*, const lectern_event*,
                                       const lectern_policy_out*) noexcept {
  return LECTERN_OK;
}

const void* get_kind(lectern_str) noexcept {
#if defined(CASE_MISSING_KIND)
  return nullptr;
#elif defined(CASE_MISSING_FUNCTION)
  static const lectern_policy policy{sizeof(lectern_policy), 0, {}, {}, &create, &destroy, nullptr};
  return &policy;
#else
  static const lectern_policy policy{sizeof(lectern_policy), 0, {}, {}, &create, &destroy, &reduce};
  return &policy;
#endif
}

lectern_status init(const lectern_host*, [[maybe_unused]] lectern_error* error) {
#if defined(CASE_INIT_THROWS)
  throw std::runtime_error("init threw this");
#elif defined(CASE_INIT_FAILS)
  std::strcpy(error->message, "the licence server is away");
  std::strcpy(error->hint, "Start it.");
  return LECTERN_UNAVAILABLE;
#else
  return LECTERN_OK;
#endif
}
void deinit() noexcept {}

#if defined(CASE_NEWER_MAJOR)
constexpr std::uint32_t major = LECTERN_ABI_MAJOR + 1, minor = 0;
#elif defined(CASE_NEWER_MINOR)
constexpr std::uint32_t major = LECTERN_ABI_MAJOR, minor = LECTERN_ABI_MINOR + 1;
#else
constexpr std::uint32_t major = LECTERN_ABI_MAJOR, minor = LECTERN_ABI_MINOR;
#endif
#if defined(CASE_SHORT_ENTRY)
constexpr std::uint32_t size = 24;
#else
constexpr std::uint32_t size = sizeof(lectern_entry);
#endif
#if defined(CASE_WRONG_ID)
constexpr lectern_str id = text("somebody-else");
#else
constexpr lectern_str id = text(LECTERN_PLUGIN_ID);
#endif

}  // namespace

extern "C" LECTERN_EXPORT const lectern_entry* lectern_plugin_entry(void) noexcept {
#if defined(CASE_NULL_ENTRY)
  return nullptr;
#else
  // The type says noexcept; init of one case throws all the same, as a plugin in C calling into C++ would.
  static const lectern_entry entry{
      size,    major,     minor,  0, id, text("1.0.0"), {}, reinterpret_cast<decltype(lectern_entry::init)>(&init),
      &deinit, &get_kind, nullptr};
  return &entry;
#endif
}
