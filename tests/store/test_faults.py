"""What happens to the ledger: nothing of it raises, nothing of it changes a number, and it is said once."""

from __future__ import annotations

import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from causalcircuit.store import Files, Ledger, Outcomes, get, put
from causalcircuit.store import ledger as ledgers
from causalcircuit.store.cleaning import Wanted, clean, measure
from causalcircuit.store.records import begin, ended, read_record, read_records, write_record

ROWS = b"".join(bytes([i]) * 16 for i in range(20))
VALUES = np.random.default_rng(0).normal(size=20)
KEYS = [bytes([k]) * 16 for k in range(30)]


def filled(store: Path) -> Ledger:
    """A ledger with some hundred entries, in chunks and whole."""
    made = Ledger(store)
    outcomes = Outcomes(made)
    for start in range(0, 20, 4):
        rows = ROWS[start * 16 : start * 16 + 64]
        outcomes.keep({k: (rows, VALUES[start : start + 4] + i) for i, k in enumerate(KEYS)}, {})
    outcomes.whole({k: (ROWS, VALUES + i) for i, k in enumerate(KEYS[:10])}, [])
    put(made, "plans", b"plan", b'{"before": []}')
    return made


def true_or_unknown(store: Path) -> tuple[int, list[str]]:
    """How many outcomes are known, all of them right; and what was remarked."""
    made = Ledger(store)
    count = 0
    for i, key in enumerate(KEYS):
        known = Outcomes(made).recall(key, ROWS)
        if known is not None:
            count += int(known.mask.sum())
            assert (known.values[known.mask] == (VALUES + i)[known.mask]).all()
    assert get(made, "plans", b"plan") in (None, b'{"before": []}')
    # It works on: what is kept now is found.
    Outcomes(made).keep({b"new": (ROWS, VALUES)}, {})
    after = Outcomes(made).recall(b"new", ROWS)
    assert after is not None
    assert after.values.tobytes() == VALUES.tobytes()
    remarks = [d.code for d in made.remarks]
    made.close()
    return count, remarks


def test_every_bit_comes_back(ledger: Ledger) -> None:
    odd = np.array([-0.0, 5e-324, 1 / 3, 1.7976931348623157e308, np.nextafter(1, 2)])
    texts = np.array(["", "é", "\ud800", "a\0b", "long " * 1000], dtype=object)
    pairs = np.arange(15.0).reshape(5, 3) / 7
    rows = ROWS[: 5 * 16]
    Outcomes(ledger).keep({b"odd": (rows, odd), b"texts": (rows, texts), b"pairs": (rows, pairs)}, {})
    ledger.close()
    again = Outcomes(Ledger(ledger.store))
    for key, values in ((b"odd", odd), (b"texts", texts), (b"pairs", pairs)):
        known = again.recall(key, rows)
        assert known is not None
        assert known.mask.all()
        assert known.values.tolist() == values.tolist()
        assert values is texts or known.values.tobytes() == values.tobytes()


def test_chunks_are_put_together_and_other_tables_keep_theirs(ledger: Ledger) -> None:
    outcomes = Outcomes(ledger)
    for start in (0, 4):
        outcomes.keep({b"k": (ROWS[start * 16 : start * 16 + 64], VALUES[start : start + 4])}, {})
    other = Outcomes(ledger)
    assert other.recall(b"k", ROWS[64:]) is not None  # a table of other rows that share some
    other.whole({b"k": (ROWS[64:], VALUES[4:])}, [])
    known = Outcomes(ledger).recall(b"k", ROWS)
    assert known is not None
    assert known.mask.all()
    assert known.values.tobytes() == VALUES.tobytes()


def test_a_later_table_of_one_runner_leaves_the_blocks_of_an_earlier_one(ledger: Ledger) -> None:
    outcomes = Outcomes(ledger)
    for low, middle, high in ((0, 2, 4), (4, 6, 8)):
        for start, stop in ((low, middle), (middle, high)):
            outcomes.keep({b"k": (ROWS[start * 16 : stop * 16], VALUES[start:stop])}, {})
        outcomes.whole({b"k": (ROWS[low * 16 : high * 16], VALUES[low:high])}, [])
    known = Outcomes(ledger).recall(b"k", ROWS[: 8 * 16])
    assert known is not None
    assert known.mask.all()
    assert known.values.tobytes() == VALUES[:8].tobytes()


def test_totals_come_back(ledger: Ledger) -> None:
    outcomes = Outcomes(ledger)
    outcomes.keep({}, {b"t": (7, {"sum": np.ones((2, 3)) / 3, "weight": np.array(7.0)})})
    found = outcomes.total(b"t")
    assert found is not None
    assert found[0] == 7
    assert found[1]["weight"].shape == ()
    assert (found[1]["sum"] == 1 / 3).all()


@pytest.mark.parametrize("seed", range(12))
def test_truncation_loses_and_never_lies(store: Path, seed: int) -> None:
    filled(store).close()
    path = store / "v1" / "ledger.sqlite"
    content = path.read_bytes()
    path.write_bytes(content[: random.Random(seed).randrange(len(content))])
    count, remarks = true_or_unknown(store)
    assert count <= 600
    assert count == 600 or remarks in ([], ["CQ742"])


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits_lose_and_never_lie(store: Path, seed: int) -> None:
    filled(store).close()
    path = store / "v1" / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(40):
        content[chance.randrange(100 if seed % 4 == 0 else 4096, len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    count, remarks = true_or_unknown(store)
    assert count < 600
    assert set(remarks) <= {"CQ742"}


def test_a_torn_log_loses_its_end(store: Path) -> None:
    made = filled(store)
    copy = store.with_name("copy")
    shutil.copytree(store, copy)  # as a killed process leaves it
    made.close()
    wal = copy / "v1" / "ledger.sqlite-wal"
    content = wal.read_bytes()
    wal.write_bytes(content[: len(content) // 2])
    count, remarks = true_or_unknown(copy)
    assert count <= 600
    assert set(remarks) <= {"CQ742"}


@pytest.mark.parametrize("content", [b"", b"no database", b"\0" * 5000])
def test_what_is_no_ledger_is_set_aside(store: Path, content: bytes) -> None:
    (store / "v1").mkdir(parents=True)
    (store / "v1" / "ledger.sqlite").write_bytes(content)
    count, remarks = true_or_unknown(store)
    assert count == 0
    assert remarks == ([] if content == b"" else ["CQ742"])
    assert (store / "v1.damaged").is_dir() == bool(content)
    assert clean(Ledger(store), Wanted(damaged=True)).folders == ((store / "v1.damaged",) if content else ())
    assert not (store / "v1.damaged").exists()


def test_another_format_stays_beside(store: Path) -> None:
    (store / "v0").mkdir(parents=True)
    (store / "v0" / "ledger.sqlite").write_text("of an older program")
    assert true_or_unknown(store) == (0, ["CQ743"])
    assert true_or_unknown(store) == (0, [])  # it is said once
    assert (store / "v0" / "ledger.sqlite").exists()
    made = Ledger(store)
    with sqlite3.connect(store / "v1" / "ledger.sqlite") as db:
        db.execute("PRAGMA user_version = 9")
    made.close()
    assert true_or_unknown(store) == (0, ["CQ742"])


def test_a_locked_ledger_is_waited_for_and_left(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store).close()
    monkeypatch.setattr(ledgers, "PATIENCE", 0.2)
    made = Ledger(store)
    other = sqlite3.connect(store / "v1" / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert Outcomes(made).recall(KEYS[0], ROWS) is not None  # readers need not wait
    assert not put(made, "plans", b"x", b"y")
    assert [d.code for d in made.remarks] == ["CQ744"]
    assert not put(made, "plans", b"x", b"y")
    assert Outcomes(made).recall(KEYS[0], ROWS) is None
    assert [d.code for d in made.remarks] == ["CQ744"]


def test_a_full_disk_keeps_nothing_more_and_reads_on(store: Path) -> None:
    made = filled(store)
    assert made._db is not None
    (pages,) = made._db.execute("PRAGMA page_count").fetchone()
    made._db.execute(f"PRAGMA max_page_count = {pages}")
    large = np.random.default_rng(1).normal(size=20_000)
    rows = np.random.default_rng(2).bytes(16 * 20_000)
    assert not Outcomes(made).keep({b"large": (rows, large)}, {})
    assert [d.code for d in made.remarks] == ["CQ741"]
    assert Outcomes(made).recall(b"large", rows) is None
    known = Outcomes(made).recall(KEYS[3], ROWS)
    assert known is not None
    assert known.mask.all()
    made.close()
    assert true_or_unknown(store) == (600, [])


def test_a_limit_of_file_size_is_a_full_disk(store: Path) -> None:
    filled(store).close()
    said = subprocess.run(
        [
            sys.executable, "-c",
            "import sys, numpy as np; from pathlib import Path; from causalcircuit.store import Ledger, Outcomes\n"
            "made = Ledger(Path(sys.argv[1]))\n"
            "rows = np.random.default_rng(2).bytes(16 * 40000)\n"
            "print(Outcomes(made).keep({b'l': (rows, np.ones(40000))}, {}), [d.code for d in made.remarks])",
            str(store),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.stdout.strip() == "False ['CQ741']", said.stderr
    assert true_or_unknown(store) == (600, [])


def test_no_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = Ledger(tmp_path / "file" / "store")
    assert not made.usable
    assert not put(made, "plans", b"x", b"y")
    assert [d.code for d in made.remarks] == ["CQ740"]


def test_digests_follow_the_content(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    files = Files(ledger)
    first = files.digest(path)
    path.write_bytes(b"b")
    assert files.digest(path) != first  # of the same size, within one tick of the clock
    path.write_bytes(b"a")
    assert files.digest(path) == first
    assert files.digest(tmp_path) is None
    assert files.digest("x" * 5000) is None


def test_runs_are_remembered_and_cleared(ledger: Ledger, tmp_path: Path) -> None:
    old = begin("old.cq", tmp_path, "text")
    write_record(ledger, ended(old, state="done", rows=3))
    new = begin("new.cq", tmp_path, "text")
    write_record(ledger, new)
    assert [r.name for r in read_records(ledger)] == ["new.cq", "old.cq"]
    found = read_record(ledger, old.id[:5])
    assert found is not None
    assert (found.state, found.rows) == ("done", 3)
    assert read_record(ledger, "zz") is None
    Outcomes(ledger).keep(dict.fromkeys(KEYS, (ROWS, VALUES)), {})
    wanted = Wanted(seconds=3600)
    assert not measure(ledger, wanted).anything
    later = found.at + 7200
    assert measure(ledger, wanted, later).entries["runs"] == 2
    assert clean(ledger, wanted, later).entries["outcomes"] == 30
    assert read_records(ledger) == []
    assert Outcomes(ledger).recall(KEYS[0], ROWS) is None


def test_the_oldest_outcomes_go_first(ledger: Ledger) -> None:
    for k in KEYS:
        Outcomes(ledger).keep({k: (ROWS, VALUES)}, {})
    whole = measure(ledger, Wanted(all=True)).freed
    clean(ledger, Wanted(bytes=whole // 2))
    left = [Outcomes(ledger).recall(k, ROWS) is not None for k in KEYS]
    assert left == sorted(left)
    assert 10 <= sum(left) <= 15
