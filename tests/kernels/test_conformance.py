"""What jupyter_kernel_test asks of a kernel, asked through the host: the same of every language that is there."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass, replace

import pytest
from conftest import NIGHTLY, PATIENCE, Ears, until

import lectern


@dataclass
class Language:
    kernel: str
    name: str
    hello: str
    stderr: str
    error: str
    completion: tuple[str, str]
    complete: list[str]
    incomplete: list[str]
    invalid: list[str]
    displays: dict[str, str]
    inspect: str
    result: tuple[str, str] = ("", "")
    page: str = ""
    clear: str = ""
    ask: str = ""
    messy: tuple[str, str] = ("", "")
    history: bool = False
    runtime: str = ""  # where it says more than the notebook's kernel


PYTHON = Language(
    kernel="python3",
    name="python",
    hello="print('hello, world')",
    stderr="import sys; print('test', file=sys.stderr)",
    result=("6*7", "42"),
    error="raise ValueError('no')",
    completion=("zi", "zip"),
    complete=["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"],
    incomplete=["print('''hello", "def f(x):\n  x*2"],
    invalid=["import = 7q"],
    displays={
        "text/html": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
        "image/png": "import base64; from IPython.display import Image, display; display(Image(base64.b64decode("
        "'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==')))",
        "image/svg+xml": "from IPython.display import SVG, display; display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))",
        "text/latex": "from IPython.display import Latex, display; display(Latex('$a$'))",
        "text/markdown": "from IPython.display import Markdown, display; display(Markdown('**a**'))",
        "application/json": "from IPython.display import JSON, display; display(JSON({'a': 1.10}))",
    },
    inspect="zip",
    page="zip?",
    clear="print('before')\nfrom IPython.display import clear_output\nclear_output(wait=True)\nprint('after')",
    ask="print('got ' + input('name? '))",
    messy=("x = [ 1,2 ]", "x = [1, 2]"),
    history=True,
)

R = Language(
    kernel="ir",
    name="R",
    hello='cat("hello, world\\n")',
    stderr='message("test")',
    result=("6*7", "[1] 42"),
    error='stop("no")',
    completion=("zi", "zip"),
    complete=["1", 'print("hello, world")', "f <- function(x) {x*2}"],
    incomplete=['print("hello', "f <- function(x) {"],
    invalid=["raise(ValueError) 7q"],
    displays={
        "text/html": 'IRdisplay::display_html("<b>test</b>")',
        "text/latex": 'IRdisplay::display_latex("$a$")',
        "text/markdown": 'IRdisplay::display_markdown("**a**")',
    },
    inspect="zip",
    messy=("x=c( 1,2 )\nif(TRUE){y=2}", "x = c(1, 2)\nif (TRUE) {\n  y = 2\n}"),
    ask='cat("got", readline("name? "))',
)


SHELL = Language(
    kernel="sh",
    name="sh",
    hello="echo 'hello, world'",
    stderr="echo test >&2",
    error="no_such_command",
    completion=("basena", "basename"),
    complete=["echo 1", "f() { true; }"],
    incomplete=["if true; then", "echo 'one"],
    invalid=["fi"],
    displays={},
    inspect="basename",
    ask='printf "name? "; read -r who; echo "got $who"',
)


def have_r() -> bool:
    try:
        return subprocess.run(["Rscript", "-e", "library(IRkernel)"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


AT_GATEWAY = replace(PYTHON, runtime="gateway/python3")
LANGUAGES = [PYTHON, SHELL, AT_GATEWAY, *([R] if NIGHTLY and have_r() else [])]


@pytest.fixture(scope="module", params=LANGUAGES, ids=lambda language: language.runtime or language.name)
def spoken(request):
    language = request.param
    host = request.getfixturevalue("gateway_host" if language.runtime else "host")
    with host.notebook(f"conformance-{language.name}.ipynb", [""], language.kernel, language.name) as session:
        if language.runtime:
            until(lambda: starts(session, language.runtime))
        yield language, session


def starts(session, runtime: str) -> bool:
    with contextlib.suppress(lectern.ApiError):  # until the gateway has said what it has
        return session.command("start_kernel", {"runtime": runtime})["runtime"] == runtime
    return False


def run(session, code: str, status: str = "idle"):
    ended = session.run(code, timeout=PATIENCE)
    assert ended.status == status, ended.cell
    return ended.cell.outputs


def text(outputs, name: str) -> str:
    return "".join("".join(one["text"]) for one in outputs if one.get("name") == name)


def test_hello_and_stderr(spoken):
    language, session = spoken
    assert text(run(session, language.hello), "stdout") == "hello, world\n"
    assert "test" in text(run(session, language.stderr), "stderr")


def test_what_the_kernel_says_of_itself_is_in_the_notebook(spoken):
    language, session = spoken
    info = until(lambda: session.aio.notebook.metadata.get("language_info"))
    assert info["name"] == language.name and info["file_extension"] and info["mimetype"]


def test_results_and_errors(spoken):
    language, session = spoken
    code, shown = language.result
    if code:  # a shell has none
        [result] = run(session, code)
        assert result["output_type"] in ("execute_result", "display_data")
        assert "".join(result["data"]["text/plain"]) == shown
    [error] = [one for one in run(session, language.error, "error") if one["output_type"] == "error"]
    assert error["ename"] and "no" in error["evalue"] and error["traceback"]


def test_displays(spoken):
    language, session = spoken
    for kind, code in language.displays.items():
        [shown] = run(session, code)
        assert kind in shown["data"], shown


def test_completion(spoken):
    language, session = spoken
    typed, wanted = language.completion
    content = session.command("complete", {"code": typed, "cursor_pos": len(typed)})["content"]
    assert content["status"] == "ok" and wanted in content["matches"]
    assert typed[: content["cursor_start"]] + wanted + typed[content["cursor_end"] :] == wanted


def test_whether_code_is_complete(spoken):
    language, session = spoken
    for wanted in ("complete", "incomplete", "invalid"):
        for code in getattr(language, wanted):
            assert session.command("is_complete", {"code": code})["content"]["status"] == wanted, code


def test_inspection_and_pages(spoken):
    language, session = spoken
    content = session.command("inspect", {"code": language.inspect, "cursor_pos": len(language.inspect)})["content"]
    assert content["status"] == "ok" and content["found"] and content["data"]["text/plain"]
    if language.page:  # IRkernel finds everything
        unknown = session.command("inspect", {"code": "nothing_of_that_name", "cursor_pos": 5})["content"]
        assert unknown["found"] is False
        assert "text/plain" in run(session, language.page)[-1]["data"]


def test_variables_and_a_formatter_without_a_trace(spoken):
    language, session = spoken
    if not language.messy[0]:
        pytest.skip("the kernel cannot be asked so")
    run(session, "seen = 42")
    [before] = run(session, language.result[0])
    for _ in range(2):
        content = session.command("variables", {})["content"]
        assert {one["name"]: one for one in content["variables"]}["seen"]["value"] == "42"
        formatted = session.command("format", {"code": language.messy[0]})["content"]
        assert formatted["code"] == language.messy[1], formatted
        assert "error" in session.command("format", {"code": "x = ( 1"})["content"]
    [after] = run(session, language.result[0])
    if "execution_count" in before:
        assert after["execution_count"] == before["execution_count"] + 1


def test_history(spoken):
    language, session = spoken
    if not language.history:
        pytest.skip("the kernel keeps none")
    run(session, "remember_me = 1")
    for asked in ({"hist_access_type": "tail", "n": 3}, {"hist_access_type": "search", "pattern": "remember*", "n": 3}):
        content = session.command("history", {"output": False, "raw": True, **asked})["content"]
        assert "remember_me = 1" in [line for _, _, line in content["history"]]


def test_clearing(spoken):
    language, session = spoken
    if not language.clear:
        pytest.skip("the language has no call for it")
    assert text(run(session, language.clear), "stdout") == "after\n"


def test_input(spoken):
    language, session = spoken
    cell, ears = session.create_cell(language.ask), Ears(session)
    session.command("execute", {"cell_ids": [cell.id]})
    asked = ears.wait("input-request")
    assert asked["prompt"] == "name? " and asked["password"] is False
    session.command("input", {"request_id": asked["request_id"], "value": "Ada"})
    session.wait_for(lambda aio: aio.cell(cell.id).status == "idle" and "got Ada" in aio.cell(cell.id).text, PATIENCE)


def test_a_kernel_that_is_not_there_is_named(host):
    with pytest.raises(lectern.ApiError) as refused:
        lectern.create("jupyter/nothing", url=host.url)
    assert refused.value.code == "unknown_runtime"
