"""What is committed belongs to no machine, and the documents name only commands that exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Home and work folders, whoever's; package indexes and local wheel folders.
FOREIGN = re.compile(
    rb"(?<![\w.~-])/(?:work|root|home/\w+|Users/\w+|tmp/\w+)/"
    rb"|(?:index-url|find-links)[ =]+\w+://"
    rb"|file:///\w"
    rb"|\bpypi\.org/simple|\bpythonhosted\.org"
)


def committed() -> list[Path]:
    """The files under version control, deleted ones left out."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize(
    "text",
    [
        b'hf("/home/ann/models/ioi")',
        b"pip install --find-links=file:///srv/wheels",
        b"--extra-index-url https://example.org",
        b"see /root/.cache",
    ],
)
def test_the_pattern_finds_what_it_should(text: bytes) -> None:
    assert FOREIGN.search(text)


def test_no_committed_file_names_a_machine_or_an_index() -> None:
    patterns = [FOREIGN, re.compile(re.escape(str(ROOT).encode()) + rb"\b")]
    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode(errors='replace')}"
        for path in committed()
        if path != Path(__file__)  # its examples above are meant to be found
        for pattern in patterns
        for match in pattern.finditer(path.read_bytes())
    ]
    assert not found, "\n".join(found)


def test_the_documents_name_only_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    unknown = [
        f"{path.relative_to(ROOT)}: make {target}"
        for path in committed()
        if path.suffix == ".md"
        for target in re.findall(r"`make ([a-z-]+)", path.read_text())
        if target not in targets
    ]
    assert not unknown, "\n".join(unknown)
