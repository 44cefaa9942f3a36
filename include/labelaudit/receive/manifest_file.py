"""What `manifest.json` holds, and how it is read: what a vendor says of a delivery.

    {"format": 1, "delivery": "2026-11-23", "vendor": "alder", "customer": "acme", "dataset": "pets",
     "files": [{"path": "labels.csv", "bytes": 812, "sha256": "…", "records": 9}],
     "supersedes": ["2026-11-22"], "guideline": "v3"}

Keys of the vendor's own are passed over; one that looks like a misspelt `supersedes`, `guideline` or `records` is not,
for that would silently mean something else.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from labelaudit.contracts.model_errors import in_words
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.litter import is_litter
from labelaudit.storage import layout
from labelaudit.values.deliveries import DeliveredFile

MAX_MANIFEST_BYTES = 16 << 20  # of some 80,000 files


class ManifestFile(DeliveredFile):
    """A file of a delivery, as its vendor sent it."""

    model_config = ConfigDict(extra="ignore")

    sha256: Annotated[str, BeforeValidator(lambda said: said.lower() if isinstance(said, str) else said)] = Field(
        pattern=r"^[0-9a-f]{64}$", description="of the whole file, 64 hexadecimal digits"
    )

    @model_validator(mode="before")
    @classmethod
    def _spelt(cls, said: Any) -> Any:
        return _without_slips(said, ("records",))


class Manifest(BaseModel):
    """What a vendor says of a delivery. `vendor`, `customer` and `dataset` may be left out; they must agree."""

    model_config = ConfigDict(extra="ignore")

    format: Literal[1] = Field(description="of the manifest itself")
    delivery: str = Field(description="the delivery's id: the name of its folder")
    vendor: str | None = Field(None, description="as its folder says")
    customer: str | None = Field(None, description="as its folder says")
    dataset: str | None = Field(None, description="as its folder says")
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1)] = Field(description="every file of the delivery")
    supersedes: str | tuple[str, ...] = Field((), description="ids of deliveries of this vendor that it replaces")
    guideline: str | None = Field(
        None, max_length=200, description="version of the labelling guideline that the labels were made under"
    )

    @model_validator(mode="before")
    @classmethod
    def _spelt(cls, said: Any) -> Any:
        return _without_slips(said, ("supersedes", "guideline"))

    @property
    def superseded(self) -> tuple[str, ...]:
        return self.supersedes if isinstance(self.supersedes, tuple) else (self.supersedes,)


def parse(content: bytes, true: Mapping[str, str]) -> Manifest:
    """The manifest, or DeliveryRejected (bad_manifest, unsafe_path). `true`: delivery, vendor, … as its folder says.

    What file managers leave behind is taken from its files.
    """
    try:
        manifest = Manifest.model_validate(json.loads(content, object_pairs_hook=_no_duplicates))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, finding['loc'])) or 'manifest'}: {in_words(finding)}" for finding in error.errors()[:5]
        )
        raise DeliveryRejected(
            "bad_manifest", f"manifest.json: {problems}. docs/deliveries.md shows what it holds."
        ) from error
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise DeliveryRejected("bad_manifest", f"manifest.json is not JSON: {error}") from error
    for what, name in true.items():
        said = getattr(manifest, what)
        if said is not None and said != name:
            raise DeliveryRejected(
                "bad_manifest",
                f"manifest.json says {what} {said[:200]!r}, its folder is {name!r}. Correct one of them.",
            )
    paths = [one_form(layout.safe_path(file.path)) for file in manifest.files if not is_litter(file.path)]
    if len(set(paths)) != len(paths) or layout.MANIFEST in paths:
        raise DeliveryRejected("bad_manifest", "manifest.json names a file twice, or itself")
    if not paths:
        raise DeliveryRejected("bad_manifest", "manifest.json names no file of labels")
    return manifest.model_copy(update={"files": tuple(file for file in manifest.files if not is_litter(file.path))})


def one_form(path: str) -> str:
    """The same for a name whose accents are letters of their own (as macOS writes them) and one where they are not."""
    return unicodedata.normalize("NFC", path)


def files_there(manifest: Manifest, there: Mapping[str, Any]) -> tuple[DeliveredFile, ...]:
    """The manifest's files, sorted, by the paths that they have in the folder: `there` in the other form, perhaps."""
    others: dict[str, list[str]] = {}
    for path in there:
        others.setdefault(one_form(path), []).append(path)
    files = []
    for file in manifest.files:
        same = others.get(one_form(file.path), ())
        path = same[0] if file.path not in there and len(same) == 1 else file.path
        files.append(DeliveredFile(path=path, bytes=file.bytes, sha256=file.sha256, records=file.records))
    return tuple(sorted(files, key=lambda file: file.path))


def _without_slips(said: Any, meant: tuple[str, ...]) -> Any:
    for key in set(said) - set(meant) if isinstance(said, dict) else ():
        if close := get_close_matches(key.lower().replace("_", ""), meant, 1, 0.82):
            raise DeliveryRejected(
                "bad_manifest", f"manifest.json has the key {key[:100]!r}. Did you mean {close[0]!r}? Correct it."
            )
    return said


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise DeliveryRejected("bad_manifest", "manifest.json gives a key twice")
    return names
