#include "plugin/required.hpp"

#include <initializer_list>
#include <string>
#include <utility>

#include "lectern/abi/draft/format.h"
#include "lectern/abi/draft/policy.h"
#include "lectern/abi/draft/presence.h"
#include "lectern/abi/draft/runtime.h"
#include "lectern/abi/draft/transport.h"
#include "plugin/call.hpp"

namespace lectern::plugin {

namespace {

Status all_there(std::string_view who, Kind kind, std::initializer_list<std::pair<const char*, bool>> functions) {
  for (const auto& [name, there] : functions) {
    if (there) continue;
    return fail(422, "missing_function",
                std::string(who) + " has no " + std::string(kind_name(kind)) + " function " + name,
                "Fill every function of the struct, and its struct_size with sizeof.");
  }
  return {};
}

tl::unexpected<Error> senseless(std::string_view who, const std::string& what) {
  return fail(422, "bad_entry", std::string(who) + " " + what,
              "Compare the struct with its header in lectern/abi/draft/.");
}

Status check_policy(const lectern_policy& p, std::string_view who) {
  if (!sane(p.state_schema, 256) || !sane(p.actions_json, 64u << 10))
    return senseless(who, "has texts that make no sense");
  return all_there(
      who, Kind::policy,
      {{"create", p.create != nullptr}, {"destroy", p.destroy != nullptr}, {"reduce", p.reduce != nullptr}});
}

Status check_transport(const lectern_transport& p, std::string_view who) {
  if (p.n_bindings == 0 || p.n_bindings > 64 || p.bindings == nullptr)
    return senseless(who, "declares no binding, or too many");
  return all_there(who, Kind::transport,
                   {{"create", p.create != nullptr},
                    {"destroy", p.destroy != nullptr},
                    {"open", p.open != nullptr},
                    {"receive", p.receive != nullptr},
                    {"encode", p.encode != nullptr},
                    {"close", p.close != nullptr}});
}

Status check_format(const lectern_format& p, std::string_view who) {
  if (p.n_extensions == 0 || p.n_extensions > 64 || p.extensions == nullptr)
    return senseless(who, "declares no extension, or too many");
  for (std::uint32_t i = 0; i < p.n_extensions; ++i) {
    if (!sane(p.extensions[i], 64) || view(p.extensions[i]).substr(0, 1) != ".")
      return senseless(who, "declares an extension that does not start with a dot");
  }
  return all_there(who, Kind::format,
                   {{"probe", p.probe != nullptr}, {"read", p.read != nullptr}, {"write", p.write != nullptr}});
}

Status check_presence(const lectern_presence& p, std::string_view who) {
  return all_there(who, Kind::presence,
                   {{"open", p.open != nullptr},
                    {"close", p.close != nullptr},
                    {"publish", p.publish != nullptr},
                    {"remove", p.remove != nullptr},
                    {"snapshot", p.snapshot != nullptr}});
}

Status check_runtime(const lectern_runtime& p, std::string_view who) {
  return all_there(who, Kind::runtime,
                   {{"create", p.create != nullptr},
                    {"destroy", p.destroy != nullptr},
                    {"kernels", p.kernels != nullptr},
                    {"start", p.start != nullptr},
                    {"execute", p.execute != nullptr},
                    {"interrupt", p.interrupt != nullptr},
                    {"restart", p.restart != nullptr},
                    {"shutdown", p.shutdown != nullptr},
                    {"input", p.input != nullptr},
                    {"request", p.request != nullptr},
                    {"comm", p.comm != nullptr}});
}

template <class T>
T known_part(const void* interface) {
  return read_struct(static_cast<const T*>(interface));
}

}  // namespace

Status check_interface(Kind kind, const void* interface, std::string_view who) {
  switch (kind) {
    case Kind::policy:
      return check_policy(known_part<lectern_policy>(interface), who);
    case Kind::transport:
      return check_transport(known_part<lectern_transport>(interface), who);
    case Kind::format:
      return check_format(known_part<lectern_format>(interface), who);
    case Kind::presence:
      return check_presence(known_part<lectern_presence>(interface), who);
    case Kind::runtime:
      return check_runtime(known_part<lectern_runtime>(interface), who);
  }
  return senseless(who, "is of a kind this host does not know");
}

}  // namespace lectern::plugin
