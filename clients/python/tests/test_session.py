"""Sessions over a real host, kernel and socket."""

import asyncio
import pathlib
import subprocess
import sys

import pytest

import lectern
from lectern import aio
from lectern.state import Notebook

PATIENCE = 60


def test_opens_edits_and_reads_back(host, notebook):
    with lectern.open(notebook, url=host.url) as first, lectern.open(notebook, url=host.url) as second:
        assert [cell.id for cell in first.cells] == ["a", "b"]
        assert first.can_edit and not second.can_edit
        made = first.create_cell("y = 2", after="a")
        first.set_source("a", "x = 41")
        first.transaction([{"type": "move_cell", "cell_id": "b", "before": "a"}])
        first.transaction([{"type": "set_metadata", "cell_id": "a", "path": ["tags"], "value": ["t"]}])
        version = first.confirm_sync()
        second.wait_for(lambda session: session.notebook.version >= version, PATIENCE)
        for session in (first, second):
            assert [cell.id for cell in session.cells] == ["b", "a", made.id]
            assert session.cell("a").source == "x = 41"
            assert session.cell("a").metadata["tags"] == ["t"]
        first.delete_cell("b")
        assert [cell.id for cell in first.cells] == ["a", made.id]
        assert first.save()["bytes"] > 0


def test_runs_code_and_everybody_sees_it(host, notebook):
    with lectern.open(notebook, url=host.url) as first, lectern.open(notebook, url=host.url) as second:
        run = first.run("print('from', 'here')\n6 * 7", timeout=PATIENCE)
        assert run.ok and run.text == "from here\n42"
        second.wait_for(lambda session: any(cell.text == "from here\n42" for cell in session.cells), PATIENCE)
        failed = first.run("1 / 0", timeout=PATIENCE)
        assert failed.status == "error" and "ZeroDivisionError" in failed.text


def test_the_pen_passes_and_late_edits_are_refused(host, notebook):
    with lectern.open(notebook, url=host.url, label="one") as first, lectern.open(notebook, url=host.url) as second:
        with pytest.raises(lectern.ApiError) as refused:
            second.set_source("a", "no")
        assert refused.value.code == "read_only" and refused.value.status == 403
        assert second.editor["label"] == "one"
        assert second.takeover()["epoch"] == 2
        first.wait_for(lambda session: not session.can_edit, PATIENCE)
        second.set_source("a", "mine")
        with pytest.raises(lectern.ApiError) as refused:
            first.takeover(if_epoch=1)
        assert refused.value.code == "stale_epoch"
        second.release()
        first.takeover()
        assert first.can_edit


def test_creates_for_a_runtime_and_names_the_known_ones(host):
    with lectern.create("jupyter/python3", path="new.ipynb", url=host.url) as made:
        assert len(made.cells) == 1 and made.cells[0].source == ""
    with pytest.raises(lectern.ApiError) as refused:
        lectern.create("jupyter/cobol", url=host.url)
    assert refused.value.code == "unknown_runtime" and "python3" in str(refused.value)


def test_what_is_refused_says_why(host, notebook):
    with pytest.raises(lectern.ApiError) as refused:
        lectern.open("/outside.ipynb", url=host.url)
    assert refused.value.code == "outside_root"
    with pytest.raises(lectern.ApiError) as refused:
        lectern.open(notebook, url=host.url, token="wrong")
    assert refused.value.status == 401
    with pytest.raises(lectern.LecternError, match="cannot be reached"):
        lectern.open(notebook, url="http://127.0.0.1:9/")
    with pytest.raises(ValueError, match="not the address of a host"):
        lectern.open(notebook, url="nonsense")
    with lectern.open(notebook, url=host.url) as session:
        with pytest.raises(lectern.ApiError) as refused:
            session.set_source("a", "x" * (17 << 20))
        assert refused.value.code == "too_large"
        session.set_source("a", "x" * (1 << 20))


def test_an_unknown_protocol_is_refused_naming_both():
    with pytest.raises(lectern.ProtocolMismatch, match=r"lectern\.v9.*lectern\.v1"):
        lectern.ConnectionInfo.of({"protocol": "lectern.v9"})


def test_widgets_are_there_after_confirm_sync(host, notebook):
    with lectern.open(notebook, url=host.url) as session:
        run = session.run("import ipywidgets\nslider = ipywidgets.IntSlider(value=7)\nslider", timeout=PATIENCE)
        assert run.ok
        values = [state.get("value") for state in session.get_widgets().values()]
        assert 7 in values
        assert session.run("image = ipywidgets.Image(value=b'\\x00\\xff', format='png')", timeout=PATIENCE).ok
        assert list(session.get_widgets().values())[-1]["value"] == b"\x00\xff"
        assert session.run("image.value = b'new'; slider.value = 8", timeout=PATIENCE).ok
        widgets = session.get_widgets()
        assert list(widgets.values())[-1]["value"] == b"new"
        assert 8 in [state.get("value") for state in widgets.values()]
        comms = session.get_comms()
        assert {comm_id: comm["state"] for comm_id, comm in comms.items()} == widgets
        seqs = [comm["seq"] for comm in comms.values()]
        assert seqs == sorted(seqs) and len(set(seqs)) == len(seqs)
        image, about = list(comms.items())[-1]
        assert about["target_name"] == "jupyter.widget" and about["cell_id"] and about["revision"] >= 2
        # What we write ourselves nobody tells us: the answer says that it holds.
        write = {"method": "update", "state": {"format": "gif"}, "buffer_paths": [["value"]]}
        session.command("model", {"model_id": image, "message": write, "buffers": ["AP8="]})
        written = session.get_comms()[image]
        assert written["state"]["format"] == "gif" and written["state"]["value"] == b"\x00\xff"
        assert written["revision"] > about["revision"]
        assert session.run("image.format, bytes(image.value)", timeout=PATIENCE).text == "('gif', b'\\x00\\xff')"


def test_an_own_write_does_not_overtake_a_later_one():
    notebook = Notebook()
    model = {"model_id": "m", "revision": 1, "message": {"method": "open", "target": "t", "state": {"n": 1}}}
    notebook.apply("model-lifecycle", model)
    write = {"model_id": "m", "message": {"method": "update", "state": {"n": 2}}}
    assert notebook.wrote(write, 3) and notebook.comms()["m"]["state"] == {"n": 2}
    assert not notebook.wrote({**write, "message": {"method": "update", "state": {"n": 9}}}, 2)
    assert notebook.comms()["m"] == {"target_name": "t", "cell_id": "", "seq": 1, "revision": 3, "state": {"n": 2}}
    assert notebook.wrote({**write, "model_id": "gone"}, 7) and list(notebook.comms()) == ["m"]


def test_comes_back_after_a_cut_with_all_that_was_missed(host, notebook):
    async def main():
        first = await aio.open(notebook, url=host.url)
        second = await aio.open(notebook, url=host.url)
        async with first, second:
            second._socket.transport.abort()
            await asyncio.wait_for(asyncio.gather(*(first.set_source("a", f"x = {i}") for i in range(50))), PATIENCE)
            version = await first.confirm_sync()
            await second.wait_for(lambda session: session.connected and session.notebook.version >= version, PATIENCE)
            assert second.cell("a").source == "x = 49"
            assert second.ready["replay"] == "gap"

    asyncio.run(main())


def test_commands_in_flight_survive_a_cut_and_run_once(host, notebook):
    async def main():
        async with aio.open(notebook, url=host.url) as session:
            edits = [asyncio.ensure_future(session.create_cell(f"n{i}")) for i in range(30)]
            await asyncio.sleep(0)
            session._socket.transport.abort()
            await asyncio.wait_for(asyncio.gather(*edits), PATIENCE)
            await session.confirm_sync()
            assert sorted(cell.source for cell in session.cells[2:]) == sorted(f"n{i}" for i in range(30))

    asyncio.run(main())


def test_an_edit_whose_answer_was_cut_off_is_here_once_and_is_answered(host, notebook):
    async def main():
        async with aio.open(notebook, url=host.url) as editor, aio.open(notebook, url=host.url) as witness:
            frame, cut = editor._frame, editor._socket

            def deaf(what):
                if editor._socket is not cut:  # what comes over the first connection is lost
                    frame(what)

            editor._frame = deaf
            edits = [asyncio.ensure_future(editor.create_cell(f"n{i}")) for i in range(10)]
            splice = {"type": "splice_source", "cell_id": "a", "index": 0, "delete": 0, "insert": "y"}
            edits.append(asyncio.ensure_future(editor.transaction([splice], base_version=editor.notebook.version)))
            await witness.wait_for(lambda one: len(one.cells) == 12 and one.cell("a").source == "yx = 1", PATIENCE)
            assert len(editor.cells) == 2
            cut.transport.abort()
            await asyncio.wait_for(asyncio.gather(*edits), PATIENCE)
            await editor.confirm_sync()
            assert editor.ready["replay"] == "gap"
            assert [cell.id for cell in editor.cells] == [cell.id for cell in witness.cells]
            assert editor.cell("a").source == "yx = 1"

    asyncio.run(main())


def test_what_was_sent_under_an_old_grant_stays_late_after_a_cut(host, notebook):
    async def main():
        async with aio.open(notebook, url=host.url) as first, aio.open(notebook, url=host.url) as second:
            send, cut = first._send, first._socket

            def stuck(pending, socket):
                if socket is cut:  # on its way when the line went
                    pending.socket, pending.stream, pending.frame["epoch"] = socket, first._stream, first.epoch
                else:
                    send(pending, socket)

            first._send = stuck
            late = asyncio.ensure_future(first.set_source("a", "late"))
            await asyncio.sleep(0)
            await second.takeover()
            await second.release()
            await first.wait_for(lambda one: not one.can_edit, PATIENCE)
            cut.transport.abort()
            with pytest.raises(lectern.ApiError) as refused:
                await asyncio.wait_for(late, PATIENCE)
            assert refused.value.code == "stale_epoch"
            assert first.cell("a").source == "x = 1"

    asyncio.run(main())


def test_a_killed_host_comes_back_with_every_acknowledged_edit_and_the_same_editor(host, notebook):
    async def main():
        async with aio.open(notebook, url=host.url) as session:
            await session.set_source("a", "kept = True")
            await asyncio.to_thread(host.kill)
            await asyncio.to_thread(host.start)
            await asyncio.wait_for(session.set_source("b", "after"), PATIENCE)
            assert session.can_edit
            assert session.cell("a").source == "kept = True"
            assert session.cell("b").source == "after"

    asyncio.run(main())


def test_events_are_told_in_order_and_end_with_the_session(host, notebook):
    async def main():
        seen = []
        async with aio.open(notebook, url=host.url) as session:

            async def watch():
                async for op, data in session.events():
                    if op == "notebook-document-transaction":
                        seen.append(data["transaction"]["version"])

            watching = asyncio.create_task(watch())
            for i in range(5):
                await session.set_source("a", str(i))
        await asyncio.wait_for(watching, PATIENCE)
        assert seen == sorted(seen) and len(seen) == 5

    asyncio.run(main())


def test_a_closed_session_says_so(host, notebook):
    session = lectern.open(notebook, url=host.url)
    session.close()
    session.close()
    again = lectern.open(notebook, url=host.url)
    again.close()


def test_the_examples_run(host, notebook):
    folder = pathlib.Path(__file__).parent.parent / "examples"
    command = [sys.executable, str(folder / "run.py"), notebook, "print('shown')", host.url]
    assert subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout == "shown\n"
    watching = subprocess.Popen(
        [sys.executable, "-u", str(folder / "watch.py"), notebook, host.url], stdout=subprocess.PIPE, text=True
    )
    assert watching.stdout
    try:
        assert "3 cells" in watching.stdout.readline()
        with lectern.open(notebook, url=host.url, label="typist") as session:
            session.takeover()
            session.set_source("a", "seen")
            assert any("edit by typist" in line for line in iter(watching.stdout.readline, ""))
    finally:
        watching.terminate()
        watching.communicate(timeout=PATIENCE)
