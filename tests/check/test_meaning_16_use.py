"""Meaning 16: `use` runs nothing; names, circles, missing files, errors inside the used file."""

from __future__ import annotations

from pathlib import Path

import pytest

from causalcircuit.check import check_file, check_text
from causalcircuit.diagnostics import DiagnosticError
from repotools.fixtures import FIXTURES
from tests.check.programs import checked, errors, said

USE = 'use "./good/ioi.cq" as a\n'


def test_nothing_of_a_used_file_runs() -> None:
    assert checked(USE + "let b = a.ate\n").commands == ()
    assert len(checked(USE + "estimate a.ate on a.ioi\n").commands) == 1


def test_names_of_a_used_file_mean_what_they_mean_there() -> None:
    there = check_file(FIXTURES / "good/ioi.cq").commands[0].queries[0]  # type: ignore[union-attr]
    here = checked(USE + "estimate a.ate on a.ioi\n").commands[0].queries[0]  # type: ignore[union-attr]
    assert here.expr == there.expr


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    program = check_text(f'use "{FIXTURES}/good/ioi.cq" as a\nestimate a.ate on a.ioi\n', folder=tmp_path)
    assert program.commands[0].data.path == FIXTURES / "data/ioi.jsonl"


def test_a_file_used_twice_gives_the_same_models() -> None:
    program = checked(USE + USE.replace("as a", "as b") + "estimate a.ate - b.ate on a.ioi\n")
    assert list(program.models) == ["gpt2"]


def test_two_files_with_models_of_one_name_keep_them_apart(tmp_path: Path) -> None:
    for name, dtype in (("one", "float32"), ("two", "float64")):
        text = f'model m = hf("{FIXTURES}/models/ioi") with dtype = {dtype}\nnode L = m.logprob[row.io] @ last\n'
        (tmp_path / f"{name}.cq").write_text(text)
    data = f'data d = jsonl("{FIXTURES}/data/ioi.jsonl") with prompt = row.clean\n'
    uses = 'use "./one.cq" as one\nuse "./two.cq" as two\n'
    program = check_text(uses + data + "estimate E[one.L] - E[two.L] on d\n", folder=tmp_path)
    assert sorted(m.dtype for m in program.models.values()) == ["float32", "float64"]


@pytest.mark.parametrize(
    ("text", "code", "way"),
    [
        ("estimate ate on a.ioi", "CQ201", "did you mean `a.ate`?"),
        ("estimate a.atee on a.ioi", "CQ201", "did you mean `ate`?"),
        ("let a = 3", "CQ202", "another name"),
        ('use "./good/io.cq" as b', "CQ230", "did you mean `ioi.cq`?"),
        ('use "./good" as b', "CQ230", "looked for"),
        (f'use "./{"x" * 5000}" as b', "CQ230", "looked for"),
        ('use "./good/ioi.cq" as b with data ioi = jsonl("./data/ioi.jsonl")', "CQ105", "leave it out"),
        ("estimate a on a.ioi", "CQ205", ""),
    ],
)
def test_mistakes(text: str, code: str, way: str) -> None:
    (found,) = said(USE + text + "\n")
    assert found.code == code
    assert way in " ".join(found.help)


def test_an_error_inside_a_used_file_is_shown_there_and_where_it_is_used() -> None:
    (found,) = said('use "./bad/unknown_name.cq" as a\nestimate a.ate on a.ioi\n')
    assert found.code == "CQ201"
    assert found.span is not None
    assert found.span.source.name == "unknown_name.cq"
    assert [x.text for x in found.labels if x.span.source.name == "t.cq"] == ["used here"]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_files_in_a_circle_are_named(tmp_path: Path, length: int) -> None:
    for i in range(length):
        (tmp_path / f"f{i}.cq").write_text(f'use "./f{(i + 1) % length}.cq" as x\n')
    with pytest.raises(DiagnosticError) as caught:
        check_file(tmp_path / "f0.cq")
    (found,) = caught.value.diagnostics
    assert found.code == "CQ230"
    assert found.message.endswith(" -> ".join(f"f{i % length}.cq" for i in range(length + 1)))


def test_links_in_a_circle_and_folders_are_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for text, code in (('model m = hf("./loop")\n', "CQ501"), ('use "./loop" as b\n', "CQ230")):
        with pytest.raises(DiagnosticError, match="does not exist") as caught:
            check_text(text, folder=tmp_path)
        assert [d.code for d in caught.value.diagnostics] == [code]
    with pytest.raises(DiagnosticError, match="is a folder") as caught:
        check_file(tmp_path)
    assert [d.code for d in caught.value.diagnostics] == ["CQ230"]


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.cq").write_bytes(b"let a = \xff\xfe1\n")
    for call in (lambda: check_file(tmp_path / "b.cq"), lambda: check_text('use "./b.cq" as b\n', folder=tmp_path)):
        with pytest.raises(DiagnosticError) as caught:
            call()
        assert [d.code for d in caught.value.diagnostics] == ["CQ230"]


def test_warnings_of_a_used_file_are_not_those_of_its_user() -> None:
    assert errors('use "./good/masked_warning.cq" as a\n') == []
    assert said('use "./good/masked_warning.cq" as a\nestimate E[a.LD] on a.ioi\n') == ()
