"""Our percent and MyST plugins beside Jupytext: both read the same cells from the same files, an untouched file comes
back byte for byte, an edit changes its own cell alone, and Jupytext reads what we write."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from plugin import CHANGED_ID, CHANGED_SOURCE, NEW, Cell, Format, Notebook

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = Path(os.environ.get("LECTERN_PLUGINS", ROOT / "build" / "dev" / "plugins"))
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
# How Jupytext remembers the layout, which our cells keep as it stands.
LAYOUT = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker", "region_name", "language", "magic_args"}
FLAVOURS = {"py:percent": ("format-percent", "n.py"), "md:myst": ("format-markdown", "n.md")}
QUARTO = ("format-quarto", "n.qmd")
loaded: dict[str, Format] = {}


def plugin(flavour: str) -> Format:
    return library(FLAVOURS[flavour][0])


def library(name: str) -> Format:
    if name not in loaded:
        loaded[name] = Format(PLUGINS / name / f"{name}.so")
    return loaded[name]


def cells(notebook: nbformat.NotebookNode, beside: list[tuple[str, str]]) -> list[tuple[str, str]]:
    # Jupytext makes a raw cell of the front matter that is not the notebook's; ours keep it where it is.
    found = [(cell.cell_type, cell.source) for cell in notebook.cells]
    front = len(found) == len(beside) + 1 and found[0][0] == "raw" and found[0][1].startswith("---")
    return found[1:] if front else found


def own(notebook: Notebook) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def metadata(text: str) -> dict[str, object]:
    return {key: value for key, value in json.loads(text).items() if key not in LAYOUT}


LINES = ["x = 1", "def f(a):", "    return a", "", "# a comment", "print('%s')", "%matplotlib inline", "!ls -l", "%%time",
         "out = !ls", "'''", "text %d", "'''", "# %load_ext x", "a, b = 1, 2", "class A:", "@decorator", "    pass"]
TEXT = ["# A title", "", "Some *text*", "- one", "- two", "$$x = 1$$", "| a | b |", "a `code` b", "    indented", "# %% no"]


def generated(seed: int) -> nbformat.NotebookNode:
    pick = random.Random(seed)
    made = []
    for _ in range(pick.randrange(1, 7)):
        kind = pick.choice(["code", "code", "markdown", "raw"])
        lines = [pick.choice(LINES if kind == "code" else TEXT) for _ in range(pick.randrange(0, 6))]
        source = "\n".join(lines).strip("\n")
        if source.count("'''") % 2:
            source += "\n'''"
        options = {"tags": [pick.choice(["a", "b c"])], "n": pick.random()} if pick.random() < 0.3 else {}
        make = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}[kind]
        if source.strip() or kind == "code":
            made.append(make(source, metadata=options))
    return new_notebook(cells=made, metadata=KERNEL)


def is_ordinary(text: str) -> bool:
    """Python ends lines at characters where nobody else does, and YAML has no control characters."""
    return text.isprintable() or not any(not c.isprintable() and c not in "\n\t\u200b" for c in text)


def examples() -> list[object]:
    folder = ROOT / "tests" / "data" / "notebooks"
    texts = [path.read_text("utf-8-sig") for path in sorted(folder.glob("*.ipynb"))]
    files = [nbformat.reads(text, 4) for text in texts]
    ordinary = [one for one in files if all(is_ordinary(cell.source) for cell in one.cells)]
    return [*ordinary, *(generated(seed) for seed in range(60))]


def check_text(flavour: str, text: str) -> None:
    format_, name = plugin(flavour), FLAVOURS[flavour][1]
    assert format_.probe(name, text) >= 50
    read = format_.read(text)
    theirs = jupytext.reads(text, flavour)
    assert own(read) == cells(theirs, own(read))
    expected = [cell for cell in theirs.cells][-len(read.cells) :] if read.cells else []
    for ours, other in zip(read.cells, expected, strict=True):
        assert metadata(ours.metadata) == metadata(json.dumps(other.metadata))
    for cell in read.cells:
        cell.changed = CHANGED_ID
    assert format_.write(read) == text
    for i, cell in enumerate(read.cells):
        before, cell.source, cell.changed = cell.source, "edited = 1\nsecond(line)", CHANGED_SOURCE | CHANGED_ID
        edited = format_.write(read)
        assert own(format_.read(edited)) == own(read)
        assert cells(jupytext.reads(edited, flavour), own(read)) == own(read)
        around = [other.original.rstrip() for other in read.cells[:i] + read.cells[i + 1 :]]
        assert all(other in edited for other in around)
        cell.source, cell.changed = before, CHANGED_ID


def check_own(flavour: tuple[str, str], text: str) -> None:
    """What check_text asks for, where there is no Jupytext to compare with."""
    format_, name = library(flavour[0]), flavour[1]
    assert format_.probe(name, text) >= 50
    read = format_.read(text)
    assert {kind for kind, _ in own(read)} >= {"code"}
    for cell in read.cells:
        cell.changed = CHANGED_ID
    assert format_.write(read) == text
    for i, cell in enumerate(read.cells):
        before, cell.source, cell.changed = cell.source, "edited = 1\nsecond(line)", CHANGED_SOURCE | CHANGED_ID
        assert own(format_.read(format_.write(read))) == own(read)
        cell.source, cell.changed = before, CHANGED_ID


def is_plain(notebook: nbformat.NotebookNode) -> bool:
    """Jupytext itself gives these back as they were: the others show where it loses something."""
    return all(cell.source == cell.source.strip("\n") for cell in notebook.cells)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_jupytext_writes_is_read_as_jupytext_reads_it(flavour: str) -> None:
    for notebook in examples():
        check_text(flavour, jupytext.writes(notebook, flavour))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_jupytext_reads_what_we_write(flavour: str) -> None:
    for notebook in filter(is_plain, examples()):
        made = [Cell(cell.cell_type, cell.source, json.dumps(cell.metadata), changed=NEW) for cell in notebook.cells]
        text = plugin(flavour).write(Notebook(made, json.dumps(KERNEL), language="python", changed=2))
        assert own(plugin(flavour).read(text)) == [(cell.cell_type, cell.source) for cell in made]
        theirs = jupytext.reads(text, flavour)
        assert theirs.metadata["kernelspec"] == KERNEL["kernelspec"]
        plain = [cell for cell in made if "# %%" not in cell.source]
        if len(plain) == len(made):
            assert cells(theirs, own(Notebook(made))) == own(Notebook(made))


PERCENT = {
    "no header": "# %%\n1 + 1\n\n# %% [markdown]\n# text\n",
    "code before the first marker": "import sys\n\n# %% A title\nsys.path\n",
    "spyder and vs code": "#%% First\nx = 1\n#%%\ny = 2\n#%% [md]\n# text\n",
    "options": '# %% A title [markdown] tags=["a", "b c"] key="a=b" n=1.5\n# text\n\n# %% {"tags": ["x"]}\n1\n',
    "quotes": '# %% [markdown]\n"""\nA text\n\nof lines\n"""\n\n# %% [markdown]\nr"""one $\\alpha$"""\n',
    "languages": '# %% language="bash"\n# ls -l\n# echo "$HOME"\n\n# %% language="html" magic_args="--isolated"\n# <b>x</b>\n',
    "magics": "# %%\n# %matplotlib inline\n# !pip list\n# files = !ls\n# # %notmagic\nx = 1\n\n# %%\n# %%time\nx = 2\n",
    "sections": "# %%% Sub\n1\n\n# %%%% SubSub\n2\n",
    "blank lines": "# %%\nx\n\n\n\n\n# %%\ny\n\n\n# %%\n# %%\n\n\n\n# %%\nz",
    "windows": "# %%\r\nx = 1\r\n\r\n# %% [markdown]\r\n# text\r\n# more\r\n",
    "active": '# %% active="ipynb"\n# 1 + 1\n\n# %% tags=["active-py"]\nprint()\n\n# %%\n2\n',
}
MYST = {
    "options": "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n# Title\n\n```{code-cell} ipython3\n"
    ":tags: [hide-input, a]\n\nx = 1\n```\n\n+++ {\"tags\": [\"b\"]}\n\nSecond\n\n+++\n\nThird\n\n```{code-cell} ipython3\n---\ntags: [a]\n"
    "mystnb:\n  image:\n    width: 200px\n---\n1\n```\n",
    "longer fences": "---\nkernelspec:\n  name: python3\n  display_name: x\n---\n\n````{code-cell} ipython3\ns = '''\n```\n'''\n````\n\n"
    "```python\nnot_run()\n```\n\n````md\n```{code-cell}\nno\n```\n````\n",
}


@pytest.mark.parametrize("name", PERCENT)
def test_percent(name: str) -> None:
    if name == "windows":  # Jupytext gives line feeds back
        read = plugin("py:percent").read(PERCENT[name])
        assert own(read) == [("code", "x = 1"), ("markdown", "text\nmore")]
        assert plugin("py:percent").write(read) == PERCENT[name]
        return
    check_text("py:percent", PERCENT[name])


@pytest.mark.parametrize("name", MYST)
def test_myst(name: str) -> None:
    check_text("md:myst", MYST[name])


def test_what_is_no_notebook_is_left_alone() -> None:
    assert plugin("py:percent").probe("m.py", "import os\n\nprint('%% no marker')\n# 100 %%\n") == 0
    assert plugin("py:percent").probe("notes.txt", "# %%\n1\n") == 0
    assert plugin("md:myst").probe("README.md", "# Title\n\n```python\nx\n```\n") == 0


if extra := os.environ.get("JUPYTEXT_EXAMPLES"):  # tests/data/notebooks/outputs of its source, which test.sh fetches

    def test_they_are_there() -> None:
        for folder, least in (("*to_percent/*.py", 24), ("*to_myst/*.md", 55), ("*to_quarto/*.qmd", 3)):
            assert len(list(Path(extra).glob(folder))) >= least

    @pytest.mark.parametrize("path", sorted(Path(extra).glob("*to_percent/*.py")), ids=lambda path: path.name)
    def test_their_percent_examples(path: Path) -> None:
        check_text("py:percent", path.read_text())

    @pytest.mark.parametrize("path", sorted(Path(extra).glob("*to_myst/*.md")), ids=lambda path: path.name)
    def test_their_myst_examples(path: Path) -> None:
        check_text("md:myst", path.read_text())

    @pytest.mark.parametrize("path", sorted(Path(extra).glob("*to_quarto/*.qmd")), ids=lambda path: path.name)
    def test_their_quarto_examples(path: Path) -> None:  # Jupytext itself asks Quarto, which is not here
        check_own(QUARTO, path.read_text())
