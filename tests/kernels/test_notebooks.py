"""The notebooks that nbclient and ipywidgets are tested with, run through the host and compared with what they hold."""

from __future__ import annotations

import copy
import shutil
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from compare import outputs_of
from conftest import HERE, NIGHTLY, PATIENCE, Host, nightly, until
from nbclient import NotebookClient
from test_execution import interrupt_until_ended

NBCLIENT = HERE / "notebooks" / "nbclient"
IPYWIDGETS = HERE / "notebooks" / "ipywidgets"

# Which ones, and whether the run goes on after a cell that fails.
EQUAL = {
    "Clear Output": False,
    "update-display-id": False,
    "Empty Cell": False,
    "Factorials": False,
    "HelloWorld": False,
    "Inline Image": False,
    "JupyterWidgets": False,
    "Other Comms": False,
    "SVG": False,
    "Skip Exceptions": True,
    "Skip Exceptions with Cell Tags": True,
    "Skip Execution with Cell Tag": False,
    "Unicode": False,
    "UnicodePy3": False,
}
VIEW = "application/vnd.jupyter.widget-view+json"
EVERY_CHANGE = ["Clear Output", "update-display-id"]


def read(path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, 4)
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def emptied(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def to_run(notebook: nbformat.NotebookNode) -> list[str]:
    """As nbclient chooses."""
    return [
        cell.id
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip() and "skip-execution" not in cell.metadata.get("tags", [])
    ]


def run(host: Host, name: str, notebook: nbformat.NotebookNode, past_errors: bool = False):
    with host.notebook(name, emptied(notebook)) as session:
        ids = to_run(notebook)
        for batch in [[one] for one in ids] if past_errors else [ids]:
            ended = session.execute(batch, timeout=PATIENCE)
            assert past_errors or [one.status for one in ended] == ["idle"] * len(batch)
        return host.saved(session, name), session.get_widgets()


@pytest.mark.parametrize("name", [name for name in EQUAL if NIGHTLY or name in EVERY_CHANGE])
def test_outputs_are_those_in_the_file(host, name):
    expected = read(NBCLIENT / f"{name}.ipynb")
    shutil.copy(NBCLIENT / "python.png", host.root)
    actual, _ = run(host, f"{name}.ipynb", expected, EQUAL[name])
    assert outputs_of(actual) == outputs_of(expected)


def test_output_widgets_capture_what_is_theirs(host):
    """The file is of ipywidgets 7, whose widgets showed themselves by display, and holds the models of older runs too."""
    expected = read(NBCLIENT / "Output.ipynb")
    saved = expected.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    named = [output["data"][VIEW]["model_id"] for cell in expected.cells for output in cell.get("outputs", ()) if VIEW in output.get("data", {})]
    wanted = sorted(captured({one: {"_model_name": "OutputModel", **saved[one]["state"]} for one in named}))
    with host.notebook("Output.ipynb", emptied(expected)) as session:
        for one in to_run(expected):
            session.execute([one], timeout=PATIENCE)
        # What a run left in a widget comes right behind the run.
        until(lambda: sorted(captured(session.get_widgets())) == wanted)
        actual = outputs_of(host.saved(session, "Output.ipynb"))
    assert shown(actual) == shown(outputs_of(expected))


def shown(cells) -> list:
    return [[one["data"] if VIEW in one.get("data", {}) else one for one in outputs] for _, outputs in cells]


def captured(widgets) -> list[str]:
    """What each Output widget shows."""
    found = []
    for state in widgets.values():
        if state.get("_model_name") == "OutputModel":
            outputs = state.get("outputs", ())
            found.append(repr([(one["output_type"], one.get("text") or one.get("data") or one.get("ename")) for one in outputs]))
    return found


@nightly
def test_an_error_is_told(host):
    expected = read(NBCLIENT / "Error.ipynb")
    with host.notebook("Error.ipynb", emptied(expected)) as session:
        [ended] = session.execute(to_run(expected), timeout=PATIENCE)
        assert ended.status == "error" and ended.cell.outputs[0]["ename"] == "ZeroDivisionError"


@nightly
def test_a_long_run_is_interrupted_and_the_next_one_runs(host):
    expected = read(NBCLIENT / "Interrupt.ipynb")
    with host.notebook("Interrupt.ipynb", emptied(expected)) as session:
        forever, done = to_run(expected)
        session.command("execute", {"cell_ids": [forever]})
        session.wait_for(lambda aio: aio.cell(forever).execution_count == 1, PATIENCE)
        session.command("interrupt")
        interrupt_until_ended(session, forever)
        session.execute([done], timeout=PATIENCE)
        actual = outputs_of(host.saved(session, "Interrupt.ipynb"))
    # An interrupt may come after the kernel said the number and before it counted the run: the next one has the same.
    assert [count for count, _ in actual] in ([1, 2], [1, 1])
    assert actual[0][1][0]["ename"] == "KeyboardInterrupt"
    assert actual[1] == outputs_of(expected)[1]


@nightly
def test_a_kernel_that_ends_itself_is_told(host):
    expected = read(NBCLIENT / "Autokill.ipynb")
    with host.notebook("Autokill.ipynb", emptied(expected)) as session:
        [ended] = session.execute(to_run(expected), timeout=PATIENCE)
        assert ended.status == "error" and ended.cell.outputs[0]["ename"] == "KernelDied"


@nightly
def test_sleeping_takes_its_time_and_no_more(host):
    expected = read(NBCLIENT / "Sleep1s.ipynb")
    actual, _ = run(host, "Sleep1s.ipynb", expected)
    texts = [out[0]["text"] for _, out in outputs_of(actual) if out and out[0].get("name") == "stdout"]
    assert len(texts) == 2 and texts[0] < texts[1]


@nightly
def test_two_notebooks_run_side_by_side(tmp_path):
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    host = Host(tmp_path, NBEXECUTE_TEST_PARALLEL_TMPDIR=str(meeting))
    try:
        names = [f"Parallel Execute {label}.ipynb" for label in "AB"]
        with ThreadPoolExecutor() as pool:  # a cell of either fails when the other does not come within 5 s
            list(pool.map(lambda name: run(host, name, read(NBCLIENT / name)), names))
    finally:
        host.stop()


def shapes(widgets) -> list[str]:
    """Models without their ids and what points to others: the same code makes the same ones."""

    def plain(value):
        if isinstance(value, str) and value.startswith("IPY_MODEL_"):
            return "<MODEL>"
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return value

    found = []
    for state in widgets.values():
        # Buffers aside, which the two write down differently.
        of_use = {key: plain(value) for key, value in state.items() if not isinstance(value, (bytes, memoryview, type(None)))}
        found.append(repr(sorted(of_use.items())))
    return sorted(found)


@nightly
@pytest.mark.parametrize("name", ["test_borders", "test_sanitizer", "widgets"])
def test_widgets_are_those_that_nbclient_gets(host, name):
    for picture in ("python.png", "WidgetArch.png"):
        shutil.copy(NBCLIENT / "python.png", host.root / picture)
    notebook = read(IPYWIDGETS / f"{name}.ipynb")
    actual, widgets = run(host, f"{name}.ipynb", notebook)
    client = NotebookClient(emptied(notebook), resources={"metadata": {"path": str(host.root)}}, store_widget_state=True)
    client.execute()
    assert outputs_of(actual) == outputs_of(client.nb)
    assert shapes(widgets) == shapes(client.widget_state)
