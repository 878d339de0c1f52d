// Throws in every callback it has, as a plugin in C that calls into C++ can: its functions are not noexcept, whatever
// the type of the struct's members says. KIND_* says which kind it is.
#include "lectern/abi/draft/format.h"
#include "lectern/abi/draft/policy.h"
#include "lectern/abi/draft/presence.h"
#include "lectern/abi/draft/runtime.h"
#include "lectern/abi/draft/transport.h"
#include "lectern/abi/entry.h"

#include <stdexcept>
#include <string_view>
#include <type_traits>

namespace {

struct OwnType {};  // not a std::exception

template <class Slot>
struct Thrower;
template <class R, class... A>
struct Thrower<R (*)(A...) noexcept> {
  static R function(A...) { throw std::runtime_error("thrown by " LECTERN_PLUGIN_ID); }
  static R odd_function(A...) { throw OwnType{}; }
  static auto slot() { return reinterpret_cast<R (*)(A...) noexcept>(&function); }
  static auto odd_slot() { return reinterpret_cast<R (*)(A...) noexcept>(&odd_function); }
};
#define THROWS(field) Thrower<decltype(field)>::slot()
#define THROWS_ODDLY(field) Thrower<decltype(field)>::odd_slot()

/// The one thing that works, unless the settings say otherwise: without an object there is nothing else to call.
template <class... Rest>
lectern_status create(lectern_str config, Rest... rest) {
  if (std::string_view(config.p, config.n).find("create") != std::string_view::npos)
    throw std::runtime_error("thrown by create");
  static int object = 0;
  (
      (void)[&] {
        if constexpr (std::is_same_v<Rest, void**>) *rest = &object;
      }(),
      ...);
  return LECTERN_OK;
}
template <class R, class... Rest>
auto creator(R (*)(lectern_str, Rest...) noexcept) {
  return reinterpret_cast<R (*)(lectern_str, Rest...) noexcept>(&create<Rest...>);
}
#define CREATES(field) creator(static_cast<decltype(field)>(nullptr))

[[maybe_unused]] constexpr lectern_str extension{".throwing", 9};
[[maybe_unused]] constexpr lectern_binding binding{
    sizeof(lectern_binding), LECTERN_CARRIER_WS_MESSAGE, {"throwing", 8}, {"t.v1", 4}};

const void* get_kind(lectern_str) noexcept {
#if defined(KIND_POLICY)
  using T = lectern_policy;
  static const T made{sizeof(T), 0, {}, {}, CREATES(T::create), THROWS(T::destroy), THROWS(T::reduce)};
#elif defined(KIND_TRANSPORT)
  using T = lectern_transport;
  static const T made{sizeof(T),          1,
                      &binding,           CREATES(T::create),
                      THROWS(T::destroy), THROWS(T::open),
                      THROWS(T::receive), THROWS_ODDLY(T::encode),
                      THROWS(T::close)};
#elif defined(KIND_FORMAT)
  using T = lectern_format;
  static const T made{sizeof(T), 1, &extension, THROWS(T::probe), THROWS(T::read), THROWS_ODDLY(T::write)};
#elif defined(KIND_PRESENCE)
  using T = lectern_presence;
  static const T made{
      sizeof(T),          0, 0, 0, CREATES(T::open), THROWS(T::close), THROWS(T::publish), THROWS_ODDLY(T::remove),
      THROWS(T::snapshot)};
#else
  using T = lectern_runtime;
  static const T made{sizeof(T),          0,
                      CREATES(T::create), THROWS(T::destroy),
                      THROWS(T::kernels), THROWS_ODDLY(T::start),
                      THROWS(T::execute), THROWS(T::interrupt),
                      THROWS(T::restart), THROWS(T::shutdown),
                      THROWS(T::input),   THROWS(T::request),
                      THROWS(T::comm)};
#endif
  return &made;
}

lectern_status init(const lectern_host*, lectern_error*) noexcept {
  return LECTERN_OK;
}

}  // namespace

extern "C" LECTERN_EXPORT const lectern_entry* lectern_plugin_entry(void) noexcept {
  static const lectern_entry entry{sizeof(lectern_entry),
                                   LECTERN_ABI_MAJOR,
                                   LECTERN_ABI_MINOR,
                                   0,
                                   {LECTERN_PLUGIN_ID, sizeof(LECTERN_PLUGIN_ID) - 1},
                                   {},
                                   {},
                                   &init,
                                   THROWS(lectern_entry::deinit),
                                   &get_kind,
                                   THROWS(lectern_entry::get_extension)};
  return &entry;
}
