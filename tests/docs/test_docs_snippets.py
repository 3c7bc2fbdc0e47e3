"""Commands shown in the docs are run, links lead somewhere, and every page is in the table of contents.

A fenced block ```console is run with `bash -e`: the lines that begin with `$ `, and those after them that go on with
`> `. Other lines are what is printed, and differ from machine to machine. A page's blocks run one after the other in
one empty folder. A comment before a block says why it is not run, or what it needs:

    <!-- not run: downloads MNIST -->
    <!-- needs: mnist -->
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from support import needs
from support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"(?:<!-- (?P<mark>not run|needs): (?P<why>.+?) -->\n+)?```console\n(?P<text>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """Commands of one fence, and the comment before it."""

    commands: str
    mark: str | None
    why: str


def blocks(page: Path) -> list[Block]:
    found = []
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        lines, more = [], False
        for line in match["text"].splitlines():
            more = line.startswith("$ ") or (more and line.startswith(">"))
            if more:
                lines.append(line[2:])
        if lines:
            found.append(Block("\n".join(lines), match["mark"], match["why"] or ""))
    return found


def runnable(block: Block) -> bool:
    if block.mark == "not run":
        return False
    return block.mark is None or needs.has_data(block.why)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def environment() -> dict[str, str]:
    """With this Python's commands first; a thread each, since as many pages run at once as there are CPUs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}


def run_page(page: Path, folder: Path) -> tuple[int, str]:
    """Exit status and all that was printed."""
    chosen = [block for block in blocks(page) if runnable(block)]
    known = environment()
    if not any(block.mark for block in chosen):
        known.pop("BSTDG_DATA", None)  # as on a machine without data sets
    script = "\n".join(block.commands for block in chosen)
    return run(["bash", "-e", "-o", "pipefail"], folder, known, script)


def run(command: list[str], folder: Path, known: dict[str, str], script: str = "") -> tuple[int, str]:
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            command, input=script, cwd=folder, env=known, stdout=said, stderr=subprocess.STDOUT, text=True, check=False
        )
        said.seek(0)
        return done.returncode, f"{script}\n\n{said.read()[-4000:]}"


FIRST_HOUR = ROOT / "examples" / "first_hour.sh"


@pytest.fixture(scope="module")
def running(request, tmp_path_factory):
    """The pages that are to be tested, and the first hour, started at once; those with most to do first."""
    asked = request.session.items
    wanted = {
        i.callspec.params["page"]
        for i in asked
        if getattr(i, "originalname", "") == test_commands_of_a_page_run.__name__
    }
    started = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        if any(getattr(item, "originalname", "") == test_the_first_hour.__name__ for item in asked):
            hour = tmp_path_factory.mktemp("hour") / "hour"
            job = pool.submit(run, ["bash", str(FIRST_HOUR), "--here", str(hour)], ROOT, environment())
            started[FIRST_HOUR] = (hour, job)
        for page in sorted(wanted, key=lambda page: -sum(len(block.commands) for block in blocks(page))):
            if any(map(runnable, blocks(page))):
                folder = tmp_path_factory.mktemp("page")
                started[page] = (folder, pool.submit(run_page, page, folder))
        yield started


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.mark != "not run" for b in blocks(page))], ids=named)
def test_commands_of_a_page_run(running, page):
    if page in running:
        status, said = running[page][1].result()
        assert status == 0, said
    left_out = [block.why for block in blocks(page) if block.mark == "needs" and not runnable(block)]
    if left_out:
        needs.skip(*dict.fromkeys(left_out), more="the other commands of the page were run")


def test_the_first_hour(running):
    """What a new user does, from nothing to a verified export of a network for pictures of their own."""
    folder, started = running[FIRST_HOUR]
    status, said = started.result()
    assert status == 0, said
    found = re.search(r"in (\d+) seconds", said)
    assert found is not None and int(found[1]) < 600
    for name in ("digits/model.bstdg", "decision.svg", "mine/model.bstdg", "mine-c/manifest.json"):
        assert (folder / name).is_file()


def test_a_block_is_read_as_it_is_meant(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ one '\n>   more\n> '\nprinted\n> also\n$ two\n```\n\n"
        "<!-- needs: mnist -->\n```console\n$ three\n```\n\n"
        "<!-- not run: too long -->\n\n```console\n$ four\n```\n\n```console\nfive\n```\n"
    )
    assert blocks(page) == [
        Block("one '\n  more\n'\ntwo", None, ""),
        Block("three", "needs", "mnist"),
        Block("four", "not run", "too long"),
    ]
    assert [runnable(b) for b in blocks(page)][::2] == [True, False]


def test_a_command_that_fails_ends_its_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\n$ false\n```\n\n```console\n$ echo two > two\n```\n")
    status, said = run_page(page, tmp_path)
    assert status == 1 and said.endswith("one\n") and not (tmp_path / "two").exists()


def test_every_need_is_known():
    for page in PAGES:
        for block in blocks(page):
            assert block.mark != "needs" or block.why in needs.FOLDERS, f"{named(page)} needs {block.why}"


# --- links -----------------------------------------------------------------------------------------------------------

LINK = re.compile(r"(?<!`)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)
SOURCES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]


def text_of(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What headings are called in links, as GitHub and MyST name them."""
    text = text_of(page)
    found = set(re.findall(r"^\(([\w-]+)\)=$", text, re.M))
    for heading in re.findall(r"^#+ +(.+?)\s*$", text, re.M):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            broken.append(link)
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            broken.append(f"{link} (no such heading)")
    return broken


@pytest.mark.parametrize("page", SOURCES, ids=named)
def test_links_lead_to_files_and_headings(page):
    assert broken_links(page) == []


def test_a_broken_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One `two`\n[a](absent.md) [b](#one-two) [c](#three) [d](https://e.org) ![e](f.svg)\n")
    assert broken_links(page) == ["absent.md", "#three (no such heading)", "f.svg"]


def test_every_page_is_reachable_from_the_index():
    """Sphinx says so too; this one needs no Sphinx."""
    listed, left = set(), [DOCS / "index.md"]
    while left:
        page = left.pop()
        if page in listed:
            continue
        listed.add(page)
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            for line in tree.splitlines():
                entry = re.sub(r".*<(.+)>", r"\1", line.strip())
                if entry and not entry.startswith(":"):
                    left += sorted(page.parent.glob(f"{entry}.md")) or [page.parent / f"{entry}.md"] * (
                        "*" not in entry
                    )
    assert {named(page) for page in PAGES} == {named(page) for page in listed}
