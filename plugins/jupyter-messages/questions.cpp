#include "questions.hpp"

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::size_t most_code = 1u << 20, most_path = 4'096;

// All programs run in a name space of their own and leave what they found in `result`.

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
def reads():
    import ast
    from IPython.core.inputtransformer2 import TransformerManager
    ast.parse(TransformerManager().transform_cell(code))
def with_black():
    import black
    try:
        return black.format_str(code, mode=black.Mode())
    except Exception as problem:
        failure = problem
    try:
        return black.format_cell(code, fast=True, mode=black.Mode(is_ipynb=True))
    except black.NothingChanged:
        missing = None
    except ImportError as problem:
        missing = problem
    # It says the same of a cell that is as it should be and of one that it cannot read.
    try:
        reads()
    except Exception:
        raise failure
    if missing:
        raise ValueError("a cell with magics needs black[jupyter]: " + str(missing))
    return code
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

// `code` is the path of a file of a widget, below nbextensions of the kernel's environment, which no link leads out of.
constexpr std::string_view file_program = R"py(
import base64, os, sys
try:
    from jupyter_core.paths import jupyter_path
    folders = jupyter_path("nbextensions")
except ImportError:
    folders = [os.path.join(sys.prefix, "share", "jupyter", "nbextensions")]
result = {"error": "not_found"}
for folder in folders:
    root = os.path.realpath(folder)
    file = os.path.realpath(os.path.join(root, code))
    if not file.startswith(root + os.sep) or not os.path.isfile(file):
        continue
    if os.path.getsize(file) > 16 << 20:
        result = {"error": "too_large"}
        break
    with open(file, "rb") as opened:
        result = {"data": base64.b64encode(opened.read()).decode()}
    break
)py";

// IRkernel has no user expressions, but what its pager is shown comes with the reply, of silent code too. Both programs
// see base R alone, whatever names the notebook has given away, and leave what they found in `result`.
constexpr std::string_view r_variables_program = R"r(
row <- function(name) {
  if (bindingIsActive(as.name(name), globalenv())) return(list(name = substr(name, 1, 100), type = "active binding"))
  value <- get(name, envir = globalenv(), inherits = FALSE)
  out <- list(name = substr(name, 1, 100), type = substr(class(value)[1], 1, 60))
  plain <- unclass(value)
  if (is.environment(value) || is.function(value) || isS4(value)) return(out)
  if (inherits(value, "data.frame")) out$shape <- I(c(.row_names_info(value, 2L), length(plain)))
  else if (!is.null(attr(plain, "dim"))) out$shape <- I(attr(plain, "dim"))
  else if (is.vector(plain) || is.atomic(plain)) out$shape <- I(length(plain))
  if (is.atomic(value) && !is.object(value) && is.null(dim(plain)) && length(plain) > 0) {
    some <- plain[seq_len(min(length(plain), 8))]
    attributes(some) <- NULL
    if (is.character(some)) some <- substr(some, 1, 60)
    text <- paste(deparse(some, width.cutoff = 120L), collapse = " ")
    out$value <- substr(if (length(plain) > 8) paste0(text, " ...") else text, 1, 120)
  }
  out
}
names <- setdiff(ls(globalenv()), c("q", "quit"))
result <- list(variables = lapply(head(names, 200L), row))
if (length(names) > 200L) result$more <- length(names) - 200L
)r";

constexpr std::string_view r_format_program = R"r(
tidy <- function(formatter, run) tryCatch(
  list(formatter = formatter, code = sub("\n+$", "", paste(run(), collapse = "\n"))),
  error = function(problem) list(formatter = formatter, error = substr(conditionMessage(problem), 1, 300)))
result <- if (requireNamespace("styler", quietly = TRUE)) {
  tidy("styler", function() as.character(styler::style_text(code)))
} else if (requireNamespace("formatR", quietly = TRUE)) {
  tidy("formatR", function() formatR::tidy_source(text = code, output = FALSE, indent = 2, arrow = FALSE)$text.tidy)
} else {
  list(error = "no_formatter")
}
)r";

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

// The program and the code as hex, in an environment whose parents are R's own packages.
std::string r_program(std::string_view program, std::string_view code) {
  return "base::local({text <- function(hex) {n <- nchar(hex); if (n == 0) return(''); at <- seq(1, n, 2); "
         "out <- rawToChar(as.raw(strtoi(substring(hex, at, at + 1), 16L))); Encoding(out) <- 'UTF-8'; out}; "
         "code <- text('" +
         hex(code) + "'); eval(parse(text = text('" + hex(program) +
         "'), keep.source = FALSE)); getOption('pager')(character(), '', as.character(jsonlite::toJSON(result, "
         "auto_unbox = TRUE)), FALSE); invisible()}, base::new.env(parent = base::asNamespace('utils')))";
}

/// What the pager was shown, as IRkernel's reply carries it.
std::string shown_by_pager(std::string_view reply) {
  std::string shown;
  json::each_item(json::member(reply, "payload"), [&](std::string_view item) {
    if (json::text(json::member(item, "source")) == "page") {
      shown = json::text(json::member(json::member(item, "data"), "text/plain"));
    }
    return shown.empty();
  });
  return shown;
}

}  // namespace

std::optional<std::string> question(std::string_view kind, std::string_view content, std::string_view language) {
  if (language != "python" && language != "R") return std::nullopt;
  std::string code;
  if (kind == "format") {
    const auto slice = json::member(content, "code");
    if (!json::is_string(slice)) throw lectern::sdk::Failure(LECTERN_INVALID, "there is no code to format");
    code = json::text(slice);
    if (code.size() > most_code) throw lectern::sdk::Failure(LECTERN_INVALID, "the code has more than 1 MiB");
  } else if (kind == "front_end_file") {
    code = json::text(json::member(content, "path"));
    if (code.empty() || code.size() > most_path) throw lectern::sdk::Failure(LECTERN_INVALID, "there is no path");
  } else if (kind != "variables") {
    return std::nullopt;
  }
  const std::string head = R"({"silent":true,"store_history":false,"allow_stdin":false,"stop_on_error":false,)";
  if (language == "R") {
    if (kind == "front_end_file") return std::nullopt;
    const auto asked = r_program(kind == "format" ? r_format_program : r_variables_program, code);
    return head + R"("user_expressions":{},"code":)" + json::quoted(asked) + "}";
  }
  const auto program = kind == "format" ? format_program : kind == "front_end_file" ? file_program : variables_program;
  return head + R"("code":"","user_expressions":{"lectern":)" + json::quoted(expression(program, code)) + "}}";
}

std::string answer_of(std::string_view reply) {
  const auto value = json::member(json::member(reply, "user_expressions"), "lectern");
  const auto found = json::member(json::member(value, "data"), "application/json");
  if (json::is_object(found)) return std::string(found);
  if (auto shown = shown_by_pager(reply); json::valid(shown) && json::is_object(shown)) return shown;
  auto why = json::text(json::member(value, "evalue"));
  if (why.empty()) why = json::text(json::member(reply, "evalue"));
  return "{\"error\":" +
         json::quoted(why.empty() ? std::string_view("the kernel did not say") : std::string_view(why)) + "}";
}

}  // namespace jupyter
