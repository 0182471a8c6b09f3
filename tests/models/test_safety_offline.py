"""Nothing is downloaded unasked; `--online` fetches what a file names, from a hub that the test serves itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load
from causalcircuit.query import ModelRef

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to reach another machine; the variable that the other tests set is taken back."""
    tried: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tried


def test_the_fixture_sees_a_call(calls: list[object]) -> None:
    with pytest.raises(DiagnosticError) as caught:
        check_text('model m = hf("who/what")\n', online="all")
    assert [d.code for d in caught.value.diagnostics] == ["CQ547"]
    assert calls


def test_local_models_call_nobody(folder: Path, tmp_path: Path, calls: list[object]) -> None:
    for name in ("gpt2", "captioner"):
        copy = Path(shutil.copytree(folder / name, tmp_path / name))
        for file in copy.glob("*config.json"):  # what some versions of transformers would look up
            said = json.loads(file.read_text())
            file.write_text(json.dumps(said | {"_name_or_path": "who/what", "name_or_path": "who/what"}))
        load(ModelRef("m", name, copy))
    assert calls == []


def test_what_is_missing_is_not_looked_for_elsewhere(folder: Path, tmp_path: Path, calls: list[object]) -> None:
    copy = Path(shutil.copytree(folder / "gpt2", tmp_path / "gpt2"))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(DiagnosticError):
        load(ModelRef("m", "./gpt2", copy))
    assert calls == []


def test_names_on_the_hub_are_looked_up_in_the_cache_alone(calls: list[object]) -> None:
    for ask in (lambda: check_text('model m = hf("who/what")\n'), lambda: load(ModelRef("m", "who/what"))):
        with pytest.raises(DiagnosticError) as caught:
            ask()
        (problem,) = caught.value.diagnostics
        assert problem.code == "CQ503"
        assert any("--online" in h for h in problem.help)
    assert calls == []


def test_loading_leaves_the_library_as_it_was(folder: Path, calls: list[object]) -> None:
    load(ModelRef("m", "./gpt2", folder / "gpt2"))
    assert constants.HF_HUB_OFFLINE is False


def test_what_is_asked_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict] = []

    def snapshot(name: str, **how: object) -> str:
        asked.append({"name": name, **how})
        raise OSError("far away")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    trust = f'model m = hf("who/what", revision = "{COMMIT}") with trust_remote_code = "who/what"\n'
    for text, online in (
        ('model m = hf("who/what")\n', "settings"),
        ('model m = hf("who/what")\n', "all"),
        (trust, "all"),
    ):
        with pytest.raises(DiagnosticError) as caught:
            check_text(text, online=online)
        assert "far away" in caught.value.diagnostics[0].message
    patterns = [set(a["allow_patterns"]) for a in asked]
    assert "*.safetensors" not in patterns[0]
    assert patterns[1] - patterns[0] == {"*.safetensors"}
    assert patterns[2] - patterns[1] == {"*.py"}
    assert [a["revision"] for a in asked] == [None, None, COMMIT]
    check = check_text('model m = hf("./models/ioi")\n', folder=Path(__file__).parents[2] / "examples", online="all")
    assert check.models
    assert len(asked) == 3, "a folder is not looked for on the hub"


# ---- a hub of our own


@pytest.fixture
def hub(folder: Path, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub that holds the random GPT-2 as `who/what`, pickles and code beside it; what it served."""
    files = {p.name: p.read_bytes() for p in (folder / "gpt2").iterdir()}
    files |= {"pytorch_model.bin": b"a pickle", "modeling.py": b"raise SystemExit", "onnx/config.json": b"{}"}
    served: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            name = path.rpartition(f"/who/what/resolve/{COMMIT}/")[2]
            if path.startswith("/api/models/who/what/revision/") or path == "/api/models/who/what":
                siblings = [{"rfilename": f} for f in files]
                self.answer(json.dumps({"id": "who/what", "sha": COMMIT, "siblings": siblings}).encode())
            elif path.startswith("/api/models/who/what/tree/"):
                tree = [{"type": "file", "path": f, "size": len(c), "oid": "0" * 40} for f, c in files.items()]
                self.answer(json.dumps(tree).encode())
            elif name in files:
                served.append(name)
                self.answer(files[name], ETag=f'"{hashlib.sha256(files[name]).hexdigest()}"')
            else:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def answer(self, content: bytes, **headers: str) -> None:
            self.send_response(200)
            lines = {"Content-Length": str(len(content)), "X-Repo-Commit": COMMIT, **headers}
            for key, value in lines.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", served
    server.shutdown()
    server.server_close()


def cq(command: list[str], tmp_path: Path, address: str) -> subprocess.CompletedProcess[str]:
    """`cq` in a process and with a cache of its own, whose hub is that of the test."""
    own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1"}
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_")) and "proxy" not in k.lower()
    }
    program = [sys.executable, "-m", "causalcircuit", *command]
    return subprocess.run(program, env=kept | own, cwd=tmp_path, capture_output=True, text=True, timeout=120)


def test_online_fetches_what_a_file_names_and_offline_runs_it(
    hub: tuple[str, list[str]], folder: Path, tmp_path: Path
) -> None:
    address, served = hub
    (tmp_path / "rows.jsonl").write_text('{"text": "Mary and John went home"}\n{"text": "John gave a drink to Mary"}\n')
    (tmp_path / "a.cq").write_text(
        'model m = hf("who/what")\ndata d = jsonl("./rows.jsonl") with prompt = row.text\n'
        "estimate E[norm(m.layer[0].resid @ last)] on d as population\n"
    )
    first = cq(["run", "a.cq"], tmp_path, address)
    assert (first.returncode, "CQ503" in first.stderr, served) == (2, True, [])
    checked = cq(["check", "a.cq", "--online"], tmp_path, address)
    assert checked.returncode == 0, checked.stderr
    assert "config.json" in served
    assert "model.safetensors" not in served
    ran = cq(["run", "a.cq", "--online", "--format", "json"], tmp_path, address)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(served) == {p.name for p in (folder / "gpt2").iterdir()}, "no pickle, no code, nothing of another folder"
    served.clear()
    again = cq(["run", "a.cq", "--format", "json"], tmp_path, address)
    assert again.returncode == 0, again.stderr
    assert served == []
    values = [json.loads(r.stdout)["estimates"][0]["value"] for r in (ran, again)]
    assert values[0] == values[1]
