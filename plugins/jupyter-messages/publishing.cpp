#include "publishing.hpp"

#include "lectern/sdk/json_slice.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

// Bounded: a listener that stands still must not fill the kernel's memory. The socket is its I/O thread's, so it is set
// there; libzmq passes a new mark on to the connections there are.
constexpr std::string_view raise_the_mark =
    "(lambda line: line.schedule(lambda: line.socket.setsockopt(__import__('zmq').SNDHWM, 100000)))"
    "(get_ipython().kernel.iopub_thread)";

}  // namespace

std::optional<std::string> hold_what_is_published(std::string_view info) {
  if (json::text(json::member(info, "implementation")) != "ipython") return std::nullopt;
  return R"({"silent":true,"store_history":false,"allow_stdin":false,"stop_on_error":false,"code":"",)"
         R"("user_expressions":{"lectern":)" +
         json::quoted(raise_the_mark) + "}}";
}

}  // namespace jupyter
