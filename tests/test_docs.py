"""What the documents say is what happens: transcripts run, tables are complete, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import reference
from worldgate.demo import prepare
from worldgate.transcript import Command, Session, parse

ROOT = reference.ROOT
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
TOLD = [page for page in PAGES if "```console" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_transcripts_run_as_they_stand(page: Path, tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()
    session, text = Session(place, prepare(tmp_path)), page.read_text(encoding="utf-8")
    for title, shown in re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL):
        (place / title).write_text(shown, encoding="utf-8")  # a file that the page shows whole
    for part in parse(text):
        if isinstance(part, Command):
            ran = session.run(part)
            assert not ran.problem, "\n".join([ran.problem, f"$ {ran.command}", *ran.shown])


def test_the_readme_tells_a_story() -> None:
    commands = " ".join(part.text for part in parse((ROOT / "README.md").read_text()) if isinstance(part, Command))
    for word in ("try", "commit", "undo", "plan", "log", "verify"):
        assert f"worldgate {word}" in commands
    assert len((ROOT / "README.md").read_text().splitlines()) < 160


@pytest.mark.parametrize("path", reference.PAGES)
def test_generated_pages_are_current(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == reference.PAGES[path](), "run python -m tests.reference"


def test_every_number_in_the_code_is_in_the_table() -> None:
    used = {
        number
        for path in (ROOT / "src").rglob("*.py")
        for number in re.findall(r"\bWG\d{3}\b", path.read_text(encoding="utf-8"))
    }
    assert used - {"WG000"} == set(reference.every_number())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"^ +- ([\w./-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_pages_name_exist(page: Path) -> None:
    for target in re.findall(r"`((?:docs|examples|bench|src|tests)/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target
