"""What people do to kernels, and what becomes of it in the host: one kernel, two who watch."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from conftest import NIGHTLY, PATIENCE, Ears, nightly, until

import lectern

SMALL_PRINTS = 10_000
LINES = 200_000 if NIGHTLY else 20_000


@pytest.fixture(scope="module")
def room(host):
    """The editor, and another who may interact."""
    with host.notebook("execution.ipynb", [""]) as editor, lectern.open("execution.ipynb", url=host.url) as other:
        yield editor, other


def run(session, code: str, status: str = "idle") -> lectern.state.Cell:
    ended = session.run(code, timeout=PATIENCE)
    assert ended.status == status, ended.cell
    return ended.cell


def stream(cell) -> str:
    """The one stream a cell shows, whole: a large one is a blob."""
    [output] = cell.outputs
    return "".join(output["text"]) if not isinstance(output["text"], dict) else output["text"]


def whole(session, cell) -> str:
    text = stream(cell)
    return session.blob(text).decode() if isinstance(text, dict) else text


def begin(session, code: str):
    cell = session.create_cell(code)
    session.command("execute", {"cell_ids": [cell.id]})
    return cell.id


def ended(session, cell_id: str, status: str = "idle"):
    session.wait_for(lambda aio: aio.cell(cell_id).status == status, PATIENCE)
    return session.cell(cell_id)


def ended_for(session, cell):
    """`session` has seen the end of this run of `cell`; before it began the cell was idle, too."""
    session.wait_for(
        lambda aio: aio.cell(cell.id).status == "idle" and aio.cell(cell.id).execution_count == cell.execution_count, PATIENCE
    )


def test_the_first_answer_wins_and_the_second_is_told(room):
    editor, other = room
    ears, others = Ears(editor), Ears(other)
    cell = begin(editor, "print('hello ' + input('who? '))")
    asked = ears.wait("input-request")
    assert others.wait("input-request")["request_id"] == asked["request_id"]
    other.command("input", {"request_id": asked["request_id"], "value": "Ada"})
    with pytest.raises(lectern.ApiError):
        editor.command("input", {"request_id": asked["request_id"], "value": "Bob"})
    assert "hello Ada" in ended(editor, cell).text
    ears.wait("input-done")
    others.wait("input-done")


def test_a_password_is_asked_as_one_and_shown_nowhere(room):
    editor, other = room
    ears, others = Ears(editor), Ears(other)
    cell = begin(editor, "from getpass import getpass\nprint(len(getpass('secret? ')))")
    asked = ears.wait("input-request")
    assert asked["password"] is True and asked["prompt"] == "secret? "
    editor.command("input", {"request_id": asked["request_id"], "value": "hunter2hunter2"})
    assert ended(editor, cell).text.strip().endswith("14")
    assert "hunter2hunter2" not in str(others.heard)


def test_debugging_after_a_failure(room):
    editor, _ = room
    run(editor, "def f(depth):\n    here = depth * 7\n    raise ValueError(here)\nf(6)", "error")
    ears = Ears(editor)
    cell = begin(editor, "%debug")
    answered = set()
    for line in ("p here", "up", "q"):
        asked = ears.wait("input-request", lambda data: data["request_id"] not in answered)
        answered.add(asked["request_id"])
        assert asked["prompt"].strip() == "ipdb>"
        editor.command("input", {"request_id": asked["request_id"], "value": line})
    assert "42" in ended(editor, cell).text


def test_many_small_prints_and_few_huge_ones(room):
    editor, other = room
    cell = run(editor, f"for i in range({SMALL_PRINTS}): print(i, flush=i % 50 == 0)")
    assert whole(editor, cell) == "".join(f"{i}\n" for i in range(SMALL_PRINTS))
    cell = run(editor, f"print('\\n'.join('x' * 50 for i in range({LINES})))")
    text = whole(editor, cell)
    assert len(text) == LINES * 51
    ended_for(other, cell)
    assert whole(other, other.cell(cell.id)) == text


def test_progress_bars(room):
    editor, _ = room
    cell = run(editor, "import sys\nfor i in range(101): sys.stdout.write(f'\\r{i:3d}% ' + '#' * (i // 10)); sys.stdout.flush()")
    assert stream(cell) == "100% ##########"
    cell = run(editor, "from tqdm import tqdm\nfor i in tqdm(range(400), ncols=60, mininterval=0): pass")
    lines = stream(cell).strip("\n").splitlines()
    assert len(lines) == 1 and lines[0].startswith("100%|") and "400/400" in lines[0]


def test_clearing_waits_for_what_comes_next(room):
    editor, other = room
    ears = Ears(other)
    cell = run(
        editor,
        "from IPython.display import clear_output\nfor i in range(30):\n    clear_output(wait=True)\n    print('frame', i, flush=True)",
    )
    assert stream(cell) == "frame 29\n"
    ended_for(other, cell)
    assert other.cell(cell.id).outputs == cell.outputs
    # Nobody saw it empty between two frames.
    shown = [one["outputs"] for one in ears.all("cell-op") if one["cell_id"] == cell.id and one["outputs"]]
    assert all(ops[-1]["op"] != "clear" for ops in shown[1:])


def test_a_display_is_updated_wherever_it_shows(room):
    editor, other = room
    first = run(editor, "from IPython.display import display\nhandle = display('one', display_id='shared')").id
    second = run(editor, "display('one', display_id='shared')").id
    run(editor, "handle.update('two')")
    for session in room:
        session.wait_for(lambda aio: all("two" in aio.cell(one).text for one in (first, second)), PATIENCE)


def test_a_storm_of_updates_is_told_by_its_newest_and_custom_messages_one_by_one(room):
    editor, other = room
    run(editor, "import ipywidgets\nbar = ipywidgets.IntProgress(min=-1000, max=10_000)\nbar")
    ears = Ears(other)
    run(editor, "for i in range(1, 2001): bar.value = i\nfor i in range(100):\n    bar.value = -i - 1\n    bar.send({'i': i})")
    other.wait_for(lambda aio: any(state.get("value") == -100 for state in aio.notebook.models.values()), PATIENCE)
    until(lambda: [one for one in ears.all("model-lifecycle") if one["message"].get("content") == {"i": 99}])
    # The models' opening may be told only now, of a value that is 0.
    heard = [one for one in ears.all("model-lifecycle") if one["message"]["method"] in ("update", "custom")]
    values = [one["message"]["state"]["value"] for one in heard if one["message"]["method"] == "update"]
    rising = [value for value in values if value > 0]
    assert rising == sorted(rising)
    assert 0 < len(rising) < 2000
    revisions = [one["revision"] for one in heard if one["message"]["method"] == "update"]
    assert revisions == sorted(revisions)
    # No custom message overtakes the update before it, or is lost.
    told = [(one["message"].get("state") or {}).get("value") or one["message"]["content"]["i"] for one in heard[-200:]]
    assert told == [number for i in range(100) for number in (-i - 1, i)]


def test_an_interrupt_at_any_moment_ends_the_run(room):
    editor, _ = room
    cell, ears = editor.create_cell("while True: continue").id, Ears(editor)
    for number in range(60 if NIGHTLY else 8):
        [asked] = editor.command("execute", {"cell_ids": [cell]})["executions"]
        # A run that was interrupted before it did anything does not count for the kernel: the next one has its number.
        ears.wait("cell-op", lambda data, this=asked: data.get("execution_id") == this["execution_id"] and "execution_count" in data)
        if number % 2:
            time.sleep(0.002 * number)  # another moment of the kernel's work each time
        editor.command("interrupt")
        interrupt_until_ended(editor, cell)
        assert editor.cell(cell).outputs[-1]["ename"] == "KeyboardInterrupt"
    assert run(editor, "6 * 7").text == "42"


def interrupt_until_ended(editor, cell_id: str) -> None:
    """IPython swallows an interrupt that comes while it prepares a run: then people press once more."""
    for _ in range(10):
        with contextlib.suppress(TimeoutError):
            return editor.wait_for(lambda aio: aio.cell(cell_id).status == "error", 3)
        assert editor.aio.notebook.kernel["state"] == "busy", "the kernel is done with it, the host is not"
        editor.command("interrupt")
    raise AssertionError("the run does not end")


def test_answers_go_to_the_asker_and_a_stale_question_ends(room):
    editor, other = room
    run(editor, "'there is a kernel'")
    ears = Ears(editor)
    content = other.command("complete", {"code": "pri", "cursor_pos": 3})["content"]
    assert "print" in content["matches"]
    assert other.command("is_complete", {"code": "for i in x:"})["content"]["status"] == "incomplete"
    assert other.command("inspect", {"code": "print", "cursor_pos": 5})["content"]["found"]
    history = other.command("history", {"hist_access_type": "tail", "n": 5, "output": False, "raw": True})["content"]
    assert history["status"] == "ok"
    editor.confirm_sync()
    assert not [data for op, data in ears.heard if "matches" in str(data)]
    # Asked while code runs and not answered before the kernel is restarted: said, not left waiting.
    slow = begin(editor, "import time; time.sleep(600)")
    editor.wait_for(lambda aio: aio.cell(slow).execution_count is not None, PATIENCE)
    asking = other.aio.command("complete", {"code": "pri", "cursor_pos": 3})
    question = asyncio.run_coroutine_threadsafe(asking, other._loop.loop)
    other.command("room")  # answered in order: the question is with the host before the restart is asked for
    editor.command("restart")
    with pytest.raises(lectern.ApiError) as stale:
        question.result(PATIENCE)
    assert stale.value.code == "no_kernel"
    until(lambda: editor.aio.notebook.kernel.get("state") == "idle")
    assert run(editor, "'slow' in dir()").text == "False"


@nightly
def test_fifty_megabytes_in_one_print(room):
    editor, _ = room
    cell = run(editor, "print('y' * 50_000_000)")
    assert len(whole(editor, cell)) == 50_000_001
