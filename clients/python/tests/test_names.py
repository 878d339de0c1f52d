"""The C++ client's names are here too, and what they do."""

import asyncio
import pathlib
import re

import pytest

import lectern
from lectern import aio

PATIENCE = 60
HEADER = pathlib.Path(__file__).parents[3] / "sdk/client/include/lectern/client/session.hpp"
# What is otherwise here, and why.
DIFFERENT = {
    "read": "the attribute notebook needs no copy",
    "subscribe": "events() is how Python iterates",
}


def names_of_cpp():
    session = HEADER.read_text().split("\nclass Session {")[1].split("\n private:")[0]
    declared = re.findall(r"^  (?:\[\[nodiscard\]\] )?[A-Za-z][\w:<>, ]* (\w+)\(", session, re.M)
    return {name for name in declared if not name.startswith("async_") and name != "Session"}


@pytest.mark.parametrize("python", [aio.Session, lectern.Session])
def test_every_name_of_cpp_is_here(python):
    names = names_of_cpp()
    assert len(names) > 30 and set(DIFFERENT) <= names
    set_when_made = {"info", "epoch"} if python is aio.Session else set()  # attributes of the object
    assert names - set(DIFFERENT) - set_when_made <= set(dir(python))


def test_splices_and_moves(host, notebook):
    with lectern.open(notebook, url=host.url) as first, lectern.open(notebook, url=host.url) as second:
        base = first.version
        first.splice("a", 0, 1, "yy", base_version=base)
        first.splice("a", 5, 0, "2", base_version=base)
        first.move_cell("b", before="a")
        assert first.cell("a").source == "yy = 12" and [cell.id for cell in first.cells] == ["b", "a"]
        version = first.confirm_sync()
        second.wait_for(lambda session: session.version >= version, PATIENCE)
        assert second.cell("a").source == "yy = 12" and second.connected and second.ended is None
        assert first.epoch == 1 and second.epoch is None
        with pytest.raises(lectern.ApiError) as refused:
            first.splice("gone", 0, 0, "x")
        assert refused.value.code == "dropped"
    assert isinstance(first.ended, lectern.NotConnected)


def test_interrupts_restarts_and_answers_input(host, notebook):
    async def main():
        async with aio.open(notebook, url=host.url) as session:
            asked = asyncio.ensure_future(anext(one async for one in session.events() if one[0] == "input-request"))
            await asyncio.sleep(0)
            run = asyncio.ensure_future(session.run("kept = input()\nprint(kept)"))
            _, request = await asyncio.wait_for(asked, PATIENCE)
            await session.answer_input(request["request_id"], "told")
            assert (await asyncio.wait_for(run, PATIENCE)).text.endswith("told\n")
            loop = asyncio.ensure_future(session.run("print('on')\nwhile True: pass"))
            await session.wait_for(lambda one: one.cells[-1].text == "on\n", PATIENCE)
            await session.interrupt()
            assert (await asyncio.wait_for(loop, PATIENCE)).status == "error"
            await session.restart()
            assert "NameError" in (await session.run("kept", PATIENCE)).text

    asyncio.run(main())


def test_the_editor_is_asked_and_the_asker_may_withdraw(polite_host):
    async def main():
        path, url = polite_host.write("n.ipynb"), polite_host.url
        async with aio.open(path, url=url) as editor, aio.open(path, url=url) as other:
            events = editor.events()

            async def request():
                async for op, data in events:
                    if op == "takeover-request":
                        return data["request_id"]

            asked = asyncio.ensure_future(request())
            taking = asyncio.ensure_future(other.takeover("please"))
            await asyncio.wait_for(asked, PATIENCE)
            await other.confirm_sync()  # it knows that it asked
            await other.withdraw()
            with pytest.raises(lectern.ApiError) as refused:
                await asyncio.wait_for(taking, PATIENCE)
            assert refused.value.code == "denied" and editor.can_edit
            await other.withdraw()  # nothing is open: nothing happens
            events = editor.events()
            asked = asyncio.ensure_future(request())
            taking = asyncio.ensure_future(other.takeover())
            await editor.answer_takeover(await asyncio.wait_for(asked, PATIENCE), True)
            await asyncio.wait_for(taking, PATIENCE)
            assert other.can_edit and other.epoch is not None

    asyncio.run(main())


def test_a_deleted_session_is_told_as_ended(host, notebook):
    with lectern.open(notebook, url=host.url) as session:
        session.aio.server.ask("DELETE", f"/api/v1/sessions/{session.info.session_id}")
        with pytest.raises(lectern.LecternError):
            session.wait_for(lambda one: False, 10)
        assert isinstance(session.ended, lectern.LecternError) and not session.connected
