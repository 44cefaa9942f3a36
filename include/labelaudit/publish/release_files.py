"""The files of a release, in a folder that its commit names: written before the commit, and never again after it.

The manifest comes first and claims the folder: an attempt that would say something else (another note of the person
who approved) finds it taken, and takes the next one. Which attempt counts is decided by the commit; `tidy` removes the
others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from labelaudit.errors import ReleaseConflict
from labelaudit.storage import layout
from labelaudit.storage.release_log import Logged
from labelaudit.storage.store import Store

NUMBER = re.compile(r"r(\d+)-")
CLAIMS = 100


def write(destination: Store, release: str, manifest: bytes, files: Mapping[str, bytes]) -> str:
    """Write a release's files and their manifest; gives the name of their folder below `releases/`.

    The same manifest again finds its own folder, and writes only what is missing there.
    """
    for number in range(1, CLAIMS + 1):
        folder = release if number == 1 else f"{release}.{number}"
        prefix = layout.release(folder)
        is_new = destination.put_if_absent(prefix + layout.MANIFEST, manifest)
        if not is_new and not _is(destination, prefix + layout.MANIFEST, manifest):
            continue
        for name, content in files.items():
            if not destination.put_if_absent(prefix + name, content):
                _mend(destination, prefix + name, content)
        if is_new:
            for key in set(destination.list(prefix)) - {prefix + name for name in (layout.MANIFEST, *files)}:
                destination.delete(key)
        return folder
    raise ReleaseConflict(f"{CLAIMS} attempts to publish {release} to {destination.uri} left their files; clear `find`")


def _is(destination: Store, key: str, content: bytes) -> bool:
    """Whether an object is there and says just this: then it is ours, and its reply was lost, or of our twin."""
    try:
        return destination.read(key) == content
    except KeyError:  # removed by `tidy`: the number is taken
        return False


def _mend(destination: Store, key: str, content: bytes) -> None:
    """A put may be refused though nothing is there; and an older version, which wrote the manifest last, may have died
    and left another file of this name."""
    if not _is(destination, key, content):
        destination.write(key, content)


def tidy(destination: Store, releases: Sequence[Logged]) -> None:
    """Remove the folders of attempts at numbers that others took. `releases`: all, oldest first, at least one."""
    kept = {release.folder or release.release for release in releases}
    for folder in destination.folders("releases/"):
        number = NUMBER.match(folder)
        if number and int(number[1]) <= releases[-1].sequence and folder not in kept:
            for key in destination.list(layout.release(folder)):
                destination.delete(key)
