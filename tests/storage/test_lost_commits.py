"""Whatever a bucket loses or refuses of a publication, it ends in one release, without a second try by hand."""

from __future__ import annotations

import pytest
from conftest import GOOD

from labelaudit.publish import verifying
from labelaudit.run import steps
from labelaudit.storage import commits as table_commits
from labelaudit.storage import delta, layout, release_log, tables
from labelaudit.storage.store import Store
from tests.fault_proxy import CUT, LOG, LOST, Fault
from tests.publish.test_publishing import judged

PUBLISHED = (layout.LABELS, layout.ANNOTATIONS, layout.QUALITY)
FAULTS: list[Fault] = [LOST, CUT, 412, 409, 500, 503]
"""What befalls the commits, which are conditional; any other file can be lost only."""


@pytest.fixture
def release(make_contract, folder_store: Store, put):
    """A run up to its verdict, for a first release."""
    contract = make_contract()
    put(folder_store, contract, GOOD)
    return contract, folder_store, *judged(contract, folder_store, "run")


def test_of_a_publication_whose_writes_are_lost_or_refused_there_is_one_whole_release(release, proxy, bucket):
    """Each write meets each fault in turn, every write of a publication another: the claim, the report's files, and
    every file and commit of every table."""
    contract, store, audited, verdict = release
    befell = set()
    for turn in range(len(FAULTS)):
        destination = bucket()
        proxy.arm(FAULTS, turn)
        made = steps.publish(contract, audited, verdict, store, destination)
        met = proxy.met
        proxy.arm()
        befell |= set(met.items())
        (logged,) = release_log.log(destination)
        assert (logged.release, made.already) == (audited.release, False), met
        verifying.verify(destination)
        assert tables.read_table(destination, layout.ANNOTATIONS).num_rows == 36
        assert tables.read_table(destination, layout.QUALITY).num_rows == len(audited.counts)
        for name in PUBLISHED:
            commits = delta.open_table(destination, name).history()
            writes = [one.get(table_commits.ATTEMPT) for one in commits if one["operation"] != "CREATE TABLE"]
            assert len(writes) == 1, f"committed twice: {commits}, where {met}"
    commits = {f"{table}/{LOG}/{version:020}.json" for table in PUBLISHED for version in (0, 1)}
    others = {name for name, _ in befell if LOG not in name}
    assert len(others) > 6
    every = {(name, fault) for name in commits for fault in FAULTS} | {(name, LOST) for name in others}
    assert not every - befell, "faults that a write never met"


def test_a_store_that_takes_no_commit_at_all_is_said_to_be_unavailable(release, proxy, bucket, monkeypatch):
    """After so many tries; and then nothing is published."""
    contract, store, audited, verdict = release
    monkeypatch.setattr(table_commits, "LONGEST_PAUSE_SECONDS", 0.01)
    destination = bucket()
    table_commits.replace_rows(
        destination, layout.LABELS, tables.SCHEMAS[layout.LABELS], tables.SCHEMAS[layout.LABELS].empty_table, "false"
    )
    proxy.arm([412], always=True)
    with pytest.raises(table_commits.StorageUnavailable, match="took no commit in 8 tries"):
        steps.publish(contract, audited, verdict, store, destination)
    proxy.arm()
    assert release_log.log(destination) == []
