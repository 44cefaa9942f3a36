"""Foreign bytes are parsed elsewhere: whatever they do to the parser, here it is a refusal with a reason."""

from __future__ import annotations

import gzip
import os
import signal
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from labelaudit import readers
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.isolation import Limits, Worker
from labelaudit.readers.records import Field, Row, Terms

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
    assert [(one.file, one.line, one.code, one.place) for one in batch.rejects] == [
        ("labels.csv", 3, "wrong_width", "")
    ]
    assert batch.records == 3


def test_the_process_knows_no_secret(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with Worker() as worker:
        environment = Path(f"/proc/{worker._process.pid}/environ").read_bytes()
    assert b"hush" not in environment


def test_a_parser_that_crashes_is_a_refusal(file: Path):
    with Worker() as worker:
        os.kill(worker._process.pid, signal.SIGSEGV)
        with pytest.raises(DeliveryRejected) as caught:
            list(worker.read(file, terms()))
    assert caught.value.code == "parser_crashed"
    assert "SIGSEGV" in str(caught.value)


def test_a_parser_that_is_stuck_is_a_refusal(file: Path):
    with Worker(Limits(seconds=1)) as worker:
        os.kill(worker._process.pid, signal.SIGSTOP)
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
        archive.writestr("__MACOSX/._1.csv", "rubbish")
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
    found = refusal(path)
    assert found.code == "unreadable_file"
    assert said in str(found)


def test_rows_come_as_the_file_has_them(file: Path):
    found = list(readers.rows(file, terms(fields=()), limit=2))
    assert found[0] == Row({"item": "a", "label": "cat"}, 2, text=found[0].text)
    assert len(found) == 2
