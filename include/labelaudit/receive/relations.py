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
        is_intact: Callable[[Delivery], bool] = lambda delivery: True,
    ):
        self._is_intact = cache(is_intact)
        self.published, self.gone = published, gone
        self.taken = {**gone, **published}
        self.known = set(known) | set(self.taken)
        self.waiting = {delivery.name: delivery for delivery in waiting}

    def whole(self, delivery: Delivery) -> Delivery:
        """The delivery with all it supersedes: also what those were to replace that were never published."""
        replaced = list(delivery.supersedes)
        for old in replaced:  # grows while it is walked
            other = self.waiting.get(f"{delivery.vendor}/{old}")
            if other is not None and old != delivery.id and self.taken.get(other.name) != other.digest:
                replaced += [older for older in other.supersedes if older not in replaced]
        own = () if delivery.id in delivery.supersedes else (delivery.id,)
        return delivery.model_copy(
            update={"supersedes": tuple(old for old in dict.fromkeys(replaced) if old not in own)}
        )

    def judge(self, chosen: Sequence[Delivery]) -> list[Delivery]:
        """The chosen deliveries (as of `whole`), each with its refusal where what the others are forbids to take it."""
        judged = {delivery.name: delivery if delivery.refusal else self._alone(delivery) for delivery in chosen}
        for delivery in chosen:
            if judged[delivery.name].refusal is None:
                judged[delivery.name] = self._twin(delivery, [other for other in judged.values() if not other.refusal])
        takers = [delivery for delivery in judged.values() if not delivery.refusal] + self._taken_before()
        for delivery in chosen:
            if judged[delivery.name].refusal is None:
                judged[delivery.name] = self._replaced(delivery, takers)
        return list(judged.values())

    def is_published(self, delivery: Delivery) -> bool:
        return self.published.get(delivery.name) == delivery.digest

    def is_free_again(self, delivery: Delivery) -> bool:
        """Whether what supersedes the delivery lies in the inbox and was not taken."""
        naming = [
            other for other in self.waiting.values() if other.vendor == delivery.vendor and other.name != delivery.name
        ]
        naming = [other for other in naming if delivery.id in self.whole(other).supersedes]
        return bool(naming) and all(self.taken.get(other.name) != other.digest for other in naming)

    def _alone(self, delivery: Delivery) -> Delivery:
        """What is wrong with it whatever else is taken in this run."""
        before = self.taken.get(delivery.name)
        if before is None and delivery.id in delivery.supersedes:
            return _refused(
                delivery,
                "supersedes_itself",
                "manifest.json says that this delivery supersedes itself, and none of that id was published before."
                " Take its id out of `supersedes`.",
            )
        if before not in (None, delivery.digest) and delivery.id not in delivery.supersedes:
            return _refused(
                delivery,
                "changed_delivery",
                f"a delivery {delivery.id} was published with other bytes (digest {before[:12]}, now"
                f' {delivery.digest[:12]}). To replace it, say "supersedes": "{delivery.id}" in manifest.json; to add'
                " to it, deliver under a new id.",
            )
        said = self.waiting[delivery.name].supersedes if delivery.name in self.waiting else delivery.supersedes
        unknown = [old[:200] for old in said if f"{delivery.vendor}/{old}" not in self.known and old != delivery.id]
        if unknown:
            return _refused(
                delivery,
                "unknown_superseded",
                f"manifest.json says that this delivery supersedes {', '.join(unknown)}, but no such delivery of"
                f" {delivery.vendor} has come. Deliver it, and this one is looked at again; or correct `supersedes`.",
            )
        others = [old for old in delivery.supersedes if old != delivery.id]
        cycle = [old for old in others if self._supersedes(f"{delivery.vendor}/{old}", delivery.id)]
        if cycle and not self.is_published(delivery):
            return _refused(
                delivery,
                "superseding_cycle",
                f"{delivery.id} supersedes {cycle[0]}, which supersedes {delivery.id}: which of them counts? Correct"
                " `supersedes` in one of their manifest.json.",
            )
        return delivery

    def _supersedes(self, name: str, old: str) -> bool:
        other = self.waiting.get(name)
        return other is not None and self.taken.get(name) != other.digest and old in self.whole(other).supersedes

    def _twin(self, delivery: Delivery, standing: Sequence[Delivery]) -> Delivery:
        twins = [other for other in standing if other.digest == delivery.digest and other.name < delivery.name]
        published = [
            name for name, digest in self.published.items() if digest == delivery.digest and name != delivery.name
        ]
        gone = [name for name, digest in self.gone.items() if digest == delivery.digest and name != delivery.name]
        earlier = [] if published else [other.name for other in twins if self._is_intact(other)]  # a digest is a claim
        if published:
            return _refused(
                delivery,
                "same_bytes",
                f"the files are the same, byte for byte, as those of {published[0]}, which is taken already. Nothing to"
                " do, unless other files were meant: then deliver those.",
            )
        if earlier:
            return _refused(
                delivery,
                "same_bytes",
                f"the files are the same, byte for byte, as those of {earlier[0]}, which the same run looks into."
                " Nothing to do: should that one be refused, the next run looks into this one.",
            )
        if gone and not delivery.supersedes:
            return _refused(
                delivery,
                "same_bytes",
                f"the files are the same, byte for byte, as those of {gone[0]}, which was taken and replaced since."
                " To go back to them, say in manifest.json which delivery they supersede.",
            )
        return delivery

    def _taken_before(self) -> list[Delivery]:
        return [delivery for delivery in self.waiting.values() if self.taken.get(delivery.name) == delivery.digest]

    def _replaced(self, delivery: Delivery, takers: Sequence[Delivery]) -> Delivery:
        for other in takers:
            if other.vendor != delivery.vendor or other.name == delivery.name or delivery.id not in other.supersedes:
                continue
            newer = self.is_published(delivery) or (delivery.name in self.taken and delivery.id in delivery.supersedes)
            if newer and self.taken.get(other.name) == other.digest:
                continue  # it came after the one that was replaced
            return _refused(
                delivery,
                "superseded",
                f"the newer delivery {other.id} supersedes it. Nothing to do: that one is taken.",
            )
        return delivery


def _refused(delivery: Delivery, code: str, message: str) -> Delivery:
    return delivery.model_copy(update={"refusal": Refusal(code=code, message=message)})
