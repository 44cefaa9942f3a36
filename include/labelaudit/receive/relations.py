"""What deliveries are to each other: known ids, the same bytes, who supersedes whom. Values only: no store, no clock.

The rules hold whatever the order in which deliveries come, and whichever of them a run looks at first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache

from labelaudit.values.deliveries import Delivery, Refusal

RELATIVE = ("same_bytes", "changed_delivery", "unknown_superseded", "superseding_cycle", "superseded")
"""Refusals for what other deliveries are: looked at again by every run, and said once."""


class Relations:
    """waiting: all complete deliveries of the inbox; published, gone: vendor/id: digest of what releases hold, or held.

    known: all names that were ever seen. is_intact: whether the files hold what the manifest says; asked only where
    two deliveries say that they are the same.
    """

    def __init__(
        self,
        waiting: Sequence[Delivery],
        published: Mapping[str, str],
        gone: Mapping[str, str],
        known: Set[str],
        is_intact: Callable[[Delivery], bool] = lambda one: True,
    ):
        self._is_intact = cache(is_intact)
        self.published, self.gone = published, gone
        self.taken = {**gone, **published}
        self.known = set(known) | set(self.taken)
        self.waiting = {one.name: one for one in waiting}

    def whole(self, one: Delivery) -> Delivery:
        """The delivery with all it supersedes: also what those were to replace that were never published."""
        found = list(one.supersedes)
        for old in found:  # grows while it is walked
            other = self.waiting.get(f"{one.vendor}/{old}")
            if other is not None and old != one.id and self.taken.get(other.name) != other.digest:
                found += [older for older in other.supersedes if older not in found]
        own = () if one.id in one.supersedes else (one.id,)
        return one.model_copy(update={"supersedes": tuple(old for old in dict.fromkeys(found) if old not in own)})

    def judge(self, chosen: Sequence[Delivery]) -> list[Delivery]:
        """The chosen deliveries (as of `whole`), each with its refusal where what the others are forbids to take it."""
        judged = {one.name: one if one.refusal else self._alone(one) for one in chosen}
        for one in chosen:
            if judged[one.name].refusal is None:
                judged[one.name] = self._twin(one, [other for other in judged.values() if not other.refusal])
        takers = [one for one in judged.values() if not one.refusal] + self._taken_before()
        for one in chosen:
            if judged[one.name].refusal is None:
                judged[one.name] = self._replaced(one, takers)
        return list(judged.values())

    def is_published(self, one: Delivery) -> bool:
        return self.published.get(one.name) == one.digest

    def is_free_again(self, one: Delivery) -> bool:
        """Whether what supersedes the delivery lies in the inbox and was not taken."""
        naming = [other for other in self.waiting.values() if other.vendor == one.vendor and other.name != one.name]
        naming = [other for other in naming if one.id in self.whole(other).supersedes]
        return bool(naming) and all(self.taken.get(other.name) != other.digest for other in naming)

    def _alone(self, one: Delivery) -> Delivery:
        """What is wrong with it whatever else is taken in this run."""
        before = self.taken.get(one.name)
        if before is None and one.id in one.supersedes:
            return _refused(
                one,
                "supersedes_itself",
                "manifest.json says that this delivery supersedes itself, and none of that id was published before."
                " Take its id out of `supersedes`.",
            )
        if before not in (None, one.digest) and one.id not in one.supersedes:
            return _refused(
                one,
                "changed_delivery",
                f"a delivery {one.id} was published with other bytes (digest {before[:12]}, now {one.digest[:12]})."
                f' To replace it, say "supersedes": "{one.id}" in manifest.json; to add to it, deliver under a new id.',
            )
        said = self.waiting[one.name].supersedes if one.name in self.waiting else one.supersedes
        unknown = [old[:200] for old in said if f"{one.vendor}/{old}" not in self.known and old != one.id]
        if unknown:
            return _refused(
                one,
                "unknown_superseded",
                f"manifest.json says that this delivery supersedes {', '.join(unknown)}, but no such delivery of"
                f" {one.vendor} has come. Deliver it, and this one is looked at again; or correct `supersedes`.",
            )
        others = [old for old in one.supersedes if old != one.id]
        cycle = [old for old in others if self._supersedes(f"{one.vendor}/{old}", one.id)]
        if cycle and not self.is_published(one):
            return _refused(
                one,
                "superseding_cycle",
                f"{one.id} supersedes {cycle[0]}, which supersedes {one.id}: which of them counts? Correct `supersedes`"
                " in one of their manifest.json.",
            )
        return one

    def _supersedes(self, name: str, old: str) -> bool:
        other = self.waiting.get(name)
        return other is not None and self.taken.get(name) != other.digest and old in self.whole(other).supersedes

    def _twin(self, one: Delivery, standing: Sequence[Delivery]) -> Delivery:
        twins = [other for other in standing if other.digest == one.digest and other.name < one.name]
        published = [name for name, digest in self.published.items() if digest == one.digest and name != one.name]
        gone = [name for name, digest in self.gone.items() if digest == one.digest and name != one.name]
        earlier = [] if published else [other.name for other in twins if self._is_intact(other)]  # a digest is a claim
        if published:
            return _refused(
                one,
                "same_bytes",
                f"the files are the same, byte for byte, as those of {published[0]}, which is taken already. Nothing to"
                " do, unless other files were meant: then deliver those.",
            )
        if earlier:
            return _refused(
                one,
                "same_bytes",
                f"the files are the same, byte for byte, as those of {earlier[0]}, which the same run looks into."
                " Nothing to do: should that one be refused, the next run looks into this one.",
            )
        if gone and not one.supersedes:
            return _refused(
                one,
                "same_bytes",
                f"the files are the same, byte for byte, as those of {gone[0]}, which was taken and replaced since."
                " To go back to them, say in manifest.json which delivery they supersede.",
            )
        return one

    def _taken_before(self) -> list[Delivery]:
        return [one for one in self.waiting.values() if self.taken.get(one.name) == one.digest]

    def _replaced(self, one: Delivery, takers: Sequence[Delivery]) -> Delivery:
        for other in takers:
            if other.vendor != one.vendor or other.name == one.name or one.id not in other.supersedes:
                continue
            newer = self.is_published(one) or (one.name in self.taken and one.id in one.supersedes)
            if newer and self.taken.get(other.name) == other.digest:
                continue  # it came after the one that was replaced
            return _refused(
                one, "superseded", f"the newer delivery {other.id} supersedes it. Nothing to do: that one is taken."
            )
        return one


def _refused(one: Delivery, code: str, message: str) -> Delivery:
    return one.model_copy(update={"refusal": Refusal(code=code, message=message)})
