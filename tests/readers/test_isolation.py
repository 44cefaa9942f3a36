"""Foreign bytes are parsed elsewhere: whatever they do to the parser, here it is a refusal with a reason."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from labelaudit import readers
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.readers.confined import isolation
from labelaudit.readers.confined.isolation import Limits, Worker
from labelaudit.readers.confined.processes import Process
from labelaudit.readers.records import Row
from labelaudit.readers.terms import Field, Terms

pytestmark = pytest.mark.parsers

FIELDS = (Field("item", "item"), Field("label", "label"))


def terms(**changed) -> Terms:
    return Terms(**{"name": "labels.csv", "format": "csv", "fields": FIELDS, **changed})


def read(path: Path, limits: Limits = Limits(), **changed):  # noqa: B008 - frozen
    with Worker(limits) as worker:
        return list(worker.read(path, terms(**changed)))


def refusal(path: Path, limits: Limits = Limits(), **changed) -> DeliveryRejected:  # noqa: B008 - frozen
    with pytest.raises(DeliveryRejected) as caught:
        read(path, limits, **changed)
    assert str(caught.value).startswith("labels.csv")
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("item,label\na,cat\nb,,\n\nc,dog\n")
    return path


def test_rows_and_rejects_cross_the_boundary_unchanged(file: Path):
    (batch,) = read(file)
    assert batch.rows.select(["item", "label", "line"]).to_pylist() == [
        {"item": "a", "label": "cat", "line": 2},
        {"item": "c", "label": "dog", "line": 5},
    ]
    assert [(reject.file, reject.line, reject.code, reject.place) for reject in batch.rejects] == [
        ("labels.csv", 3, "wrong_width", "")
    ]
    assert batch.records == 3


def test_the_process_knows_no_secret(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with Worker() as worker:
        environment = Path(f"/proc/{worker.pid}/environ").read_bytes()
    assert b"hush" not in environment


def test_a_parser_that_crashes_is_a_refusal(file: Path):
    with Worker() as worker:
        os.kill(worker.pid, signal.SIGSEGV)
        with pytest.raises(DeliveryRejected) as caught:
            list(worker.read(file, terms()))
    assert caught.value.code == "parser_crashed"
    assert "SIGSEGV" in str(caught.value)


def test_a_parser_that_is_stuck_is_a_refusal(file: Path):
    with Worker(Limits(seconds=1)) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(DeliveryRejected) as caught:
            list(worker.read(file, terms()))
    assert caught.value.code == "too_slow"


def test_a_file_that_needs_too_much_memory_is_a_refusal(tmp_path: Path):
    path = tmp_path / "labels.csv"
    path.write_text("item,label\n" + "".join(f"{i:08},cat\n" for i in range(300_000)))
    assert refusal(path, Limits(memory_bytes=32 << 20)).code in ("too_large", "parser_crashed")


def test_more_output_than_a_file_can_mean_is_a_refusal(file: Path):
    assert refusal(file, Limits(output_bytes=100, output_ratio=1)).code == "too_large"


@pytest.mark.parametrize("packed", ["gzip", "zstd", "zip"])
def test_a_bomb_is_a_refusal(tmp_path: Path, packed: str):
    """Three hundred megabytes of one row, in less than a megabyte."""
    path = tmp_path / "bomb"
    block = b"a,cat\n" * (1 << 18)
    if packed == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("labels.csv", "w") as file:
            file.write(b"item,label\n")
            for _ in range(200):
                file.write(block)
    else:
        opener = gzip.open if packed == "gzip" else lambda name, _: pa.CompressedOutputStream(name, "zstd")
        with opener(str(path), "wb") as file:
            file.write(b"item,label\n")
            for _ in range(200):
                file.write(block)
    assert path.stat().st_size < 1 << 20
    assert refusal(path, compression=packed).code == "too_large"


@pytest.mark.parametrize("packed", ["gzip", "zstd", "zip"])
def test_a_packed_file_is_read_and_a_cut_one_refused(file: Path, tmp_path: Path, packed: str):
    path = tmp_path / "packed"
    content = file.read_bytes() + os.urandom(2_000).hex().encode() + b",cat\n"
    if packed == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/labels.csv", content)
    elif packed == "zstd":
        path.write_bytes(pa.compress(content, "zstd", asbytes=True))
    else:
        path.write_bytes(gzip.compress(content))
    (batch,) = read(path, compression=packed)
    assert (batch.rows.num_rows, len(batch.rejects)) == (3, 1)
    assert batch.rejects[0].file == ("labels.csv/a/labels.csv" if packed == "zip" else "labels.csv")
    path.write_bytes(path.read_bytes()[:-300])
    assert refusal(path, compression=packed).code == "unreadable_file"


def test_all_files_of_a_zip_are_read(tmp_path: Path):
    path = tmp_path / "labels.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../2.csv", "item,label\nc,dog\n")  # a path that would lead out; nothing is written there
        archive.writestr("1.csv", "item,label\na,cat\n")
        for litter in (
            "__MACOSX/._1.csv",
            ".DS_Store",
            "deep/.DS_Store",
            "deep/__MACOSX/x.csv",
            "._1.csv",
            "Thumbs.db",
        ):
            archive.writestr(litter, "rubbish")
    batches = read(path, compression="zip")
    assert [row["file"] for batch in batches for row in batch.rows.to_pylist()] == [
        "labels.csv/../../2.csv",
        "labels.csv/1.csv",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x1f\x8b\x08", "it is gzip"),
        (b"PK\x03\x04", "it is zip"),
        (b"PAR1", "Parquet"),
        (b"<!DOCTYPE html><p>Sign in", "web page"),
        (b"\xff\xfei\0t\0", "UTF-16"),
    ],
)
def test_a_file_that_is_plainly_something_else_is_named(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    refused = refusal(path)
    assert refused.code == "unreadable_file"
    assert said in str(refused)


def test_rows_come_as_the_file_has_them(file: Path):
    rows = list(readers.rows(file, terms(fields=()), limit=2))
    assert rows[0] == Row({"item": "a", "label": "cat"}, 2, text=rows[0].text)
    assert len(rows) == 2


def files_of(folder: Path, contents: list[str]) -> list[Path]:
    paths = [folder / f"{number}.csv" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content)
    return paths


def test_one_process_parses_the_files_of_a_delivery_and_no_other_ones(tmp_path: Path):
    """A process a file made a delivery of a thousand small ones take minutes; two deliveries never share one."""
    readers.prepare()
    before = Process.started
    for count in (20, 3):
        with Worker() as worker:
            pids = set()
            for number, path in enumerate(files_of(tmp_path, [f"item,label\na{i},cat\n" for i in range(count)])):
                (batch,) = worker.read(path, terms())
                assert batch.rows["item"].to_pylist() == [f"a{number}"]
                pids.add(worker.pid)
            assert len(pids) == 1
    assert Process.started - before == 2  # each made ready for the next


def test_files_of_another_kind_get_another_process(tmp_path: Path, file: Path):
    """What a process needs is at hand before it is confined: for one format, packing and encoding."""
    path = tmp_path / "labels.jsonl"
    path.write_text('{"item": "a", "label": "cat"}\n')
    with Worker() as worker:
        list(worker.read(file, terms()))
        first = worker.pid
        (batch,) = worker.read(path, terms(format="jsonl"))
        assert batch.rows.num_rows == 1
        assert worker.pid != first


@pytest.mark.parametrize("content", ["", "item\na\n"], ids=["empty", "no such column"])
def test_after_a_refusal_there_is_a_new_process(tmp_path: Path, file: Path, content: str):
    (bad,) = files_of(tmp_path, [content])
    with Worker() as worker:
        list(worker.read(file, terms()))
        first = worker.pid
        with pytest.raises(DeliveryRejected):
            list(worker.read(bad, terms()))
        list(worker.read(file, terms()))
        assert worker.pid != first


def test_after_a_crash_between_two_files_there_is_a_new_process(file: Path):
    with Worker() as worker:
        list(worker.read(file, terms()))
        first = worker.pid
        os.kill(first, signal.SIGKILL)
        with pytest.raises(DeliveryRejected):
            list(worker.read(file, terms()))
        (batch,) = worker.read(file, terms())
        assert batch.rows.num_rows == 2
        assert worker.pid != first


def test_a_file_that_nobody_reads_to_its_end_takes_its_process_with_it(tmp_path: Path, file: Path):
    """What it still had to say would be taken for the next file's."""
    long, short = files_of(tmp_path, ["item,label\n" + "a,cat\n" * 400_000, "item,label\nb,dog\n"])
    with Worker() as worker:
        batches = worker.read(long, terms())
        assert next(batches).rows.num_rows
        batches.close()
        (batch,) = worker.read(short, terms())
        assert batch.rows["item"].to_pylist() == ["b"]


def test_what_a_file_may_take_does_not_depend_on_the_files_before(file: Path, monkeypatch: pytest.MonkeyPatch):
    """A process that a file left larger than it found it is not used again."""
    monkeypatch.setattr(isolation, "SHARED_MEMORY", 1 << 40)  # by a single byte
    with Worker() as worker:
        first = worker.pid
        list(worker.read(file, terms()))
        list(worker.read(file, terms()))
        assert worker.pid != first


def test_the_limit_on_the_processor_is_a_file_s_own():
    """The kernel counts all that a process ever took."""
    code = """
import time
from labelaudit.readers.confined.worker import limit_time
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
for _ in range(2):
    limit_time(1)
    burn(0.6)
print("two files", flush=True)
burn(5)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "two files\n"
    assert done.returncode == -signal.SIGXCPU


class Hostile:
    """A process that says what it likes."""

    pid, is_confined = 0, True

    def __init__(self, said: bytes, pause: float = 0.0):
        there, out = os.pipe()
        self.answers = os.fdopen(there, "rb", buffering=0)
        self._said, self._pause, self._out = said, pause, os.fdopen(out, "wb", buffering=0)

    def send(self, *_) -> None:
        self.thread = threading.Thread(target=self._speak, daemon=True)
        self.thread.start()

    def _speak(self) -> None:
        with self._out, suppress(OSError):
            self._out.write(self._said)
            while self._pause:
                time.sleep(self._pause)
                self._out.write(self._said)

    def code(self) -> int:
        return 1

    def end(self) -> None:
        self.answers.close()


@pytest.mark.parametrize(
    "frame",
    [
        (b"R", b"no table"),
        (b"J", b""),
        (b"B", b"{"),
        (b"B", b"[]"),
        (b"B", b'{"records": "many", "undeclared": [], "untaken": {}}'),
        (b"X", b"null"),
        (b"C", b"{}"),
        (b"?", b""),
    ],
)
def test_a_parser_that_answers_nonsense_is_a_refusal(file: Path, frame: tuple[bytes, bytes]):
    """Its words may be the file's: they end no run, and no other delivery's turn."""
    with Worker() as worker:
        worker._process.end()
        worker._process = Hostile(isolation.HEAD.pack(frame[0], len(frame[1])) + frame[1])
        with pytest.raises(DeliveryRejected) as caught:
            list(worker.read(file, terms()))
    assert caught.value.code == "parser_crashed"


def test_a_parser_that_lets_us_wait_by_and_by_is_a_refusal(file: Path):
    """A little answer now and then is no sign of progress: the limit is on all the waiting for a file."""
    said = json.dumps({"records": 0, "undeclared": [], "untaken": {}}).encode()
    with Worker(Limits(seconds=1)) as worker:
        worker._process.end()
        worker._process = Hostile(isolation.HEAD.pack(b"B", len(said)) + said, pause=0.2)
        with pytest.raises(DeliveryRejected) as caught:
            list(worker.read(file, terms()))
    assert caught.value.code == "too_slow"


def test_a_pipe_is_no_file(tmp_path: Path):
    """Nobody may write to it, ever."""
    os.mkfifo(tmp_path / "labels.csv")
    with Worker() as worker, pytest.raises(InvalidInput, match="no file"):
        list(worker.read(tmp_path / "labels.csv", terms()))


def test_files_that_are_handed_over_early_are_read_in_turn(tmp_path: Path):
    """The process begins with the next file while we take up the last one: every row stays its file's."""
    paths = files_of(tmp_path, [f"item,label\na{number},cat\n" for number in range(30)])
    asked = [(path, terms(name=path.name)) for path in paths]
    with Worker() as worker:
        first = worker.pid
        for number, (path, its_terms) in enumerate(asked):
            (batch,) = worker.read(path, its_terms, asked[number + 1 :])
            assert batch.rows.select(["item", "file"]).to_pylist() == [{"item": f"a{number}", "file": path.name}]
        assert worker.pid == first


def test_what_is_wrong_with_a_file_that_waits_is_said_in_its_turn(tmp_path: Path):
    """And costs no other file: a refusal, one that is not there, one that is read after all instead of another."""
    good, bad, last = files_of(tmp_path, ["item,label\na,cat\n", "", "item,label\nb,dog\n"])
    gone = tmp_path / "gone.csv"
    order = [(path, terms()) for path in (good, bad, gone, last)]
    with Worker() as worker:
        (batch,) = worker.read(*order[0], order[1:])
        assert batch.rows["item"].to_pylist() == ["a"]
        with pytest.raises(DeliveryRejected, match="empty"):
            list(worker.read(*order[1], order[2:]))
        with pytest.raises(FileNotFoundError):
            list(worker.read(*order[2], order[3:]))
        (batch,) = worker.read(*order[3])
        assert batch.rows["item"].to_pylist() == ["b"]
        list(worker.read(*order[0], [order[0], order[0]]))
        (batch,) = worker.read(*order[3])  # not what was said to come
        assert batch.rows["item"].to_pylist() == ["b"]


def test_terms_of_any_length_reach_the_process(tmp_path: Path):
    """Thousands of columns are more than a socket holds: nobody waits for the other for ever."""
    names = [f"column {number} of a long name that vendors like" for number in range(2_000)]
    content = ",".join(["item", *names]) + "\n" + ",".join("x" for _ in range(2_001)) + "\n"
    paths = files_of(tmp_path, [content] * 3)
    fields = (Field("item", "item"), *(Field(name, name, required=False, nullable=True) for name in names))
    asked = [(path, terms(fields=fields)) for path in paths]
    with Worker(Limits(seconds=60)) as worker:
        for number, request in enumerate(asked):
            (batch,) = worker.read(*request, asked[number + 1 :])
            assert batch.rows.num_rows == 1
