#include "questions.hpp"

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::size_t most_code = 1u << 20;

// Both programs run in a name space of their own and leave what they found in `result`.

// Values are shown only where showing them runs nobody else's code and is short work: a proxy or a lazy table would
// fetch what it stands for.
constexpr std::string_view variables_program = R"py(
import reprlib, types
from IPython import get_ipython
shell = get_ipython()
hidden, missing = shell.user_ns_hidden, object()
short = reprlib.Repr()
short.maxstring = short.maxother = short.maxlong = 60
short.maxlevel = 3
plain = (bool, int, float, complex, str, bytes, type(None), range)
def simple(value, level=0):
    if type(value) in (list, tuple, set, frozenset):
        return level < 3 and all(simple(item, level + 1) for item in list(value)[:8])
    if type(value) is dict:
        return level < 3 and all(simple(k, level + 1) and simple(v, level + 1) for k, v in list(value.items())[:8])
    return type(value) in plain
def row(name, value):
    kind = type(value)
    out = {"name": name[:100], "type": kind.__name__[:60]}
    try:
        if getattr(kind, "shape", None) is not None:
            out["shape"] = [int(size) for size in value.shape][:8]
        elif kind in (list, tuple, set, frozenset, dict, str, bytes, range):
            out["shape"] = [len(value)]
        if kind is int and value.bit_length() > 4000:
            pass
        elif kind is bytes:
            out["value"] = repr(value[:40])
        elif simple(value):
            out["value"] = short.repr(value)[:120]
        elif getattr(kind, "dtype", None) is not None:
            out["value"] = str(value.dtype)[:60]
    except Exception:
        pass
    return out
names = sorted(name for name, value in list(shell.user_ns.items())
               if isinstance(name, str) and not name.startswith("_")
               and hidden.get(name, missing) is not value and not isinstance(value, types.ModuleType))
result = {"variables": [row(name, shell.user_ns.get(name)) for name in names[:200]]}
if len(names) > 200:
    result["more"] = len(names) - 200
)py";

constexpr std::string_view format_program = R"py(
def with_black():
    import black
    for cell in (False, True):
        try:
            mode = black.Mode(is_ipynb=cell)
            if cell:
                return black.format_cell(code, fast=True, mode=mode)
            return black.format_str(code, mode=mode)
        except black.NothingChanged:
            return code
        except Exception as problem:
            failure = problem
    raise failure
def with_ruff():
    import os, subprocess
    from ruff.__main__ import find_ruff_bin
    done = subprocess.run([os.fsdecode(find_ruff_bin()), "format", "--quiet", "--no-cache", "--stdin-filename", "cell.py", "-"],
                          input=code.encode(), capture_output=True, timeout=8)
    if done.returncode != 0:
        raise ValueError(done.stderr.decode(errors="replace"))
    return done.stdout.decode()
result = {"error": "no_formatter"}
for name, run in (("black", with_black), ("ruff", with_ruff)):
    try:
        result = {"formatter": name, "code": run().rstrip("\n")}
        break
    except ImportError:
        continue
    except Exception as problem:
        result = {"error": str(problem)[:300], "formatter": name}
        break
)py";

std::string hex(std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    out += digits[value >> 4];
    out += digits[value & 15];
  }
  return out;
}

// One expression, whatever names the notebook has given away. Its value is shown as JSON, which IPython passes on as
// it is; hex needs no quoting.
std::string expression(std::string_view program, std::string_view code) {
  return "(lambda b: (lambda space: b.type('Answer', (), {'_repr_mimebundle_': lambda self, **_: "
         "{'application/json': space['result']}})() if not b.exec(b.bytes.fromhex('" +
         hex(program) + "').decode(), space) else None)({'code': b.bytes.fromhex('" + hex(code) +
         "').decode()}))(__import__('builtins'))";
}

}  // namespace

std::optional<std::string> question(std::string_view kind, std::string_view content, std::string_view language) {
  if (language != "python") return std::nullopt;
  std::string code;
  if (kind == "format") {
    const auto slice = json::member(content, "code");
    if (!json::is_string(slice)) throw lectern::sdk::Failure(LECTERN_INVALID, "there is no code to format");
    code = json::text(slice);
    if (code.size() > most_code) throw lectern::sdk::Failure(LECTERN_INVALID, "the code has more than 1 MiB");
  } else if (kind != "variables") {
    return std::nullopt;
  }
  return R"({"code":"","silent":true,"store_history":false,"allow_stdin":false,"stop_on_error":false,)"
         R"("user_expressions":{"lectern":)" +
         json::quoted(expression(kind == "format" ? format_program : variables_program, code)) + "}}";
}

std::string answer_of(std::string_view reply) {
  const auto value = json::member(json::member(reply, "user_expressions"), "lectern");
  const auto found = json::member(json::member(value, "data"), "application/json");
  if (json::is_object(found)) return std::string(found);
  auto why = json::text(json::member(value, "evalue"));
  if (why.empty()) why = json::text(json::member(reply, "evalue"));
  return "{\"error\":" +
         json::quoted(why.empty() ? std::string_view("the kernel did not say") : std::string_view(why)) + "}";
}

}  // namespace jupyter
