"""A parser taken over by its file can do nothing but answer: tried from within, in every deployment we know of."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from labelaudit.readers.confined import seccomp
from labelaudit.readers.confined.confinement import PROTECTIONS, Confinement
from tests.readers.deployment import run_as

pytestmark = pytest.mark.parsers

NOBODY = 65_534
KERNEL = seccomp.available() and platform.system() == "Linux"

TRY = '''
import json, os, socket, subprocess, sys, tempfile
from pathlib import Path
from labelaudit.readers.confined import trial
with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
    secret = Path(folder, "secret")
    secret.write_text("hush")
    port = server.getsockname()[1]
    said = trial.try_all(port, secret, Path(folder))
    code = f"""
import json, os
from pathlib import Path
from labelaudit.readers.confined.trial import tried
answer = os.dup(1)
os.dup2(2, 1)  # the program that it starts prints, too
os.write(answer, json.dumps(tried({port}, Path({str(secret)!r}), Path({folder!r}), {os.getpid()})).encode())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    said["unconfined"] = json.loads(done.stdout)
print(json.dumps(said))
'''

READ = """
import json, sys, tempfile
from pathlib import Path
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.confined.isolation import Worker
from tests.readers.valid_files import valid_files
found = {}
with tempfile.TemporaryDirectory() as folder:
    for name, valid in valid_files().items():
        if NAMES is None or name in NAMES:
            path = Path(folder, name)
            path.write_bytes(valid.content)
            with Worker() as worker:
                rows = [row for batch in worker.read(path, valid.terms) for row in batch.rows.to_pylist()]
                again = len(list(worker.rows(path, valid.terms)))
            found[name] = [row["label"] for row in rows], again
print(json.dumps(found))
"""

DEPLOYMENTS = [
    pytest.param(None, (), id="as we are"),
    pytest.param(NOBODY, (), id="a user without rights"),
    pytest.param(None, ("landlock",), id="no Landlock"),
    pytest.param(NOBODY, ("landlock",), id="a user without rights, no Landlock"),
]


@pytest.mark.parametrize(("user", "without"), DEPLOYMENTS)
def test_a_parser_can_do_nothing_but_answer(user: int | None, without: tuple[str, ...]):
    """No network, no secrets, no writing, no other process, no program; each attempt does succeed unconfined."""
    said = run_as(TRY, user, without, AWS_SECRET_ACCESS_KEY="hush")
    assert said["possible"] == {}
    assert all(Confinement(**said["confinement"]).held_by().values())
    assert said["unconfined"].keys() == PROTECTIONS.keys()
    assert sum(map(len, said["unconfined"].values())) >= 14  # to trace another may be forbidden to all


def test_what_is_missing_is_named_and_is_really_missing():
    """A protection is claimed where a layer gives it: without seccomp there is none of the network."""
    said = run_as(TRY, NOBODY, ("seccomp",))
    held = Confinement(**said["confinement"]).held_by()
    assert held["network"] == ""
    assert "network" in said["possible"]
    assert not {name for name, layers in held.items() if layers} & said["possible"].keys()
    assert "seccomp" in said["confinement"]["missing"]


def test_root_gives_its_user_up():
    if os.geteuid() != 0:
        pytest.skip("we are not root")
    said = run_as(TRY, None, ())
    assert 61_184 <= said["confinement"]["user"] < 65_520


@pytest.mark.parametrize(
    ("user", "without", "names"),
    [
        pytest.param(None, ("landlock",), None, id="every format, where no file can be opened"),
        pytest.param(NOBODY, (), ("csv", "parquet", "excel", "csv.zip"), id="a user without rights"),
    ],
)
def test_a_confined_parser_reads_what_it_is_given(user: int | None, without: tuple[str, ...], names):
    """All that a format needs is at hand before the process is confined: nothing sound is refused for it."""
    from tests.readers.valid_files import valid_files

    found = run_as(f"NAMES = {names!r}\n{READ}", user, without)
    assert found == {
        name: [list(valid.labels), len(valid.labels)]
        for name, valid in valid_files().items()
        if names is None or name in names
    }


def test_times_of_any_zone_are_read_where_no_file_can_be_opened():
    """Python looks zones up in files, when it first meets them."""
    code = """
import io, json, tempfile, datetime
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from labelaudit.readers.confined.isolation import Worker
from labelaudit.readers.records import Terms
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "f")
    at = pa.array([0], pa.timestamp("s", "Asia/Kathmandu"))
    pq.write_table(pa.table({"at": at}), path)
    with Worker() as worker:
        print(json.dumps([str(row.cells["at"]) for row in worker.rows(path, Terms("f", "parquet"))]))
"""
    (said,) = run_as(code, None, ("landlock",))
    assert said.startswith("1970-01-01")


def test_required_refuses_to_parse_where_a_protection_is_missing():
    """LABELAUDIT_ISOLATION=required: our own failure, not the vendor's, and what to do."""
    lines = f"NAMES = ['csv']\n{READ}".splitlines()
    code = "from labelaudit.errors import InternalError\ntry:\n" + "".join(f"    {line}\n" for line in lines)
    code += "except InternalError as error:\n    print(json.dumps(str(error)))\n"
    said = run_as(code, NOBODY, ("seccomp",), LABELAUDIT_ISOLATION="required")
    assert "no network" in said
    assert "labelaudit doctor" in said
    assert "csv" in run_as(code, NOBODY, (), LABELAUDIT_ISOLATION="required")
    assert "csv" in run_as(code, NOBODY, ("seccomp",), LABELAUDIT_ISOLATION="best")


def test_the_numbers_of_the_system_calls_are_the_kernels():
    """Against the kernel's own headers, where they are installed."""
    import re

    names = {"newfstatat": ("fstatat",), "fadvise64": ("fadvise64",)}
    for place, header in enumerate(
        (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h"))
    ):
        if not header.exists():
            continue
        known = dict(re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", header.read_text()))
        for name, numbers in seccomp.ALWAYS.items():
            there = next((known[alias] for alias in (name, *names.get(name, ())) if alias in known), None)
            assert numbers[place] == (int(there) if there else None), name


def test_a_word_that_is_no_setting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from labelaudit.errors import InvalidInput
    from labelaudit.readers.confined.isolation import Worker

    monkeypatch.setenv("LABELAUDIT_ISOLATION", "requierd")
    with pytest.raises(InvalidInput, match="requierd"):
        Worker()
