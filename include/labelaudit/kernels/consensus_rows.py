"""Loops over items and their labels, compiled: each reads a label once, and needs no memory but what it is given.

Items' labels lie one after the other: those of item i are start[i] to start[i + 1]; people and given are codes of
annotators and classes. Tables by annotator are [annotator, given, true], so that one label reads one row.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FIXED = 2**32
"""Fixed-point unit of sums over shards: exact to 2e-10, and 2^31 labels fit."""

NOTHING = -20.0
"""Logarithm of what counts as no probability beside the greatest: exponentials are most of the time."""

# the order within a sum is the compiler's, the same at every call
_loop = njit(nogil=True, cache=True, fastmath={"reassoc", "nsz", "contract", "arcp"})


@_loop
def place(items, people, given, start, people_out, given_out):
    """Sort labels by item, keeping their order within it (counting sort); start (n + 1,) is consumed as a cursor."""
    for row in range(len(items)):
        at = start[items[row]]
        start[items[row]] += 1
        people_out[at] = people[row]
        given_out[at] = given[row]


@_loop
def add_votes(start, given, weights, counts):
    """Adds to counts (n, K) every label, or its weight: weights (m,) or (0,)."""
    for i in range(len(start) - 1):
        for j in range(start[i], start[i + 1]):
            counts[i, given[j]] += weights[j] if len(weights) else 1.0


@_loop
def most_frequent(counts, pred_probs, out):
    """out (n,): the class of most votes; of those, the likelier; of those, the first."""
    for i in range(len(counts)):
        best = 0
        for k in range(1, counts.shape[1]):
            more = counts[i, k] - counts[i, best]
            if more > 0 or (more == 0 and pred_probs[i, k] > pred_probs[i, best]):
                best = k
        out[i] = best


@_loop
def add_counts(start, people, given, posterior, gold, only, counts):
    """Adds every item's posterior to counts [annotator, given, true]. only: 1 gold items, 0 the others, -1 all."""
    classes = posterior.shape[1]
    for i in range(len(start) - 1):
        if only >= 0 and (gold[i] >= 0) != (only == 1):
            continue
        for j in range(start[i], start[i + 1]):
            row = counts[people[j], given[j]]
            for k in range(classes):
                row[k] += posterior[i, k]


@_loop
def expect(start, people, given, weights, table, prior, log_p, lam, shared, gold, chosen, posterior, counts):
    """One E step and the counts of the M step, over the chosen items. Returns the greatest change of a posterior.

    shared: by how much the weight of a label falls with every other label of the item; table: logarithms of the
    confusion matrices; prior (K,) the weighted logarithms of the classes' shares; log_p (n, K)
    or (0, K); weights (m,) of the labels or (0,); gold (n,) the known class or -1. counts are set anew.
    """
    classes = posterior.shape[1]
    exponent = np.empty(classes)
    worst = 0.0
    counts[:] = 0
    for i in chosen:
        here = posterior[i]
        if gold[i] < 0:
            exponent[:] = 0
            g = 1 / (1 + shared * (start[i + 1] - start[i] - 1))
            for j in range(start[i], start[i + 1]):
                row = table[people[j], given[j]]
                weight = g * weights[j] if len(weights) else g
                for k in range(classes):
                    exponent[k] += weight * row[k]
            most = -1e300
            for k in range(classes):
                exponent[k] += prior[k]
                if len(log_p):
                    exponent[k] += lam * log_p[i, k]
                most = max(most, exponent[k])
            total = 0.0
            for k in range(classes):
                away = exponent[k] - most
                exponent[k] = np.exp(away) if away > NOTHING else 0.0
                total += exponent[k]
            for k in range(classes):
                share = exponent[k] / total
                worst = max(worst, abs(share - here[k]))
                here[k] = share
        for j in range(start[i], start[i + 1]):
            row = counts[people[j], given[j]]
            for k in range(classes):
                row[k] += here[k]
    return worst


@_loop
def leave_one_out(
    start, people, given, weights, copying, table, confusion, prior, log_p, lam, shared, chosen, most_labels
):
    """Mean log probability of each label under what the other labels of its item, and the predictions, say of the item.

    confusion: table's exponentials; copying (A, A) or (0, 0): what a label shares with a copied one is no evidence for
    it. Of each chosen item, at most most_labels labels are foretold.
    """
    classes = len(prior)
    exponent = np.empty(classes)
    total = 0.0
    judged = 0.0
    for i in chosen:
        g = 1 / (1 + shared * max(start[i + 1] - start[i] - 2, 0))
        for j in range(start[i], min(start[i + 1], start[i] + most_labels)):
            own = confusion[people[j], given[j]]
            for k in range(classes):
                exponent[k] = prior[k] + lam * log_p[i, k]
            for other in range(start[i], start[i + 1]):
                if other == j:
                    continue
                weight = g
                if len(copying):
                    weight *= weights[other] * (1 - copying[people[j], people[other]])
                row = table[people[other], given[other]]
                for k in range(classes):
                    exponent[k] += weight * row[k]
            most = exponent[0]
            for k in range(classes):
                most = max(most, exponent[k])
            belief = 0.0
            foretold = 0.0
            for k in range(classes):
                away = exponent[k] - most
                if away > NOTHING:
                    share = np.exp(away)
                    belief += share
                    foretold += share * own[k]
            weight = weights[j] if len(copying) else 1.0
            total += weight * np.log(max(foretold, 1e-300) / belief)
            judged += weight
    return total / max(judged, 1e-300)


@_loop
def soften(start, gold, posterior, shared):
    """posterior := its power 1 / (1 + shared (L - 1)), normalised, L the item's labels; gold items stay."""
    for i in range(len(start) - 1):
        labels = start[i + 1] - start[i]
        if labels < 2 or gold[i] >= 0:
            continue
        power = 1 / (1 + shared * (labels - 1))
        total = 0.0
        for k in range(posterior.shape[1]):
            if posterior[i, k] > 0:
                posterior[i, k] = np.exp(power * np.log(posterior[i, k]))
            total += posterior[i, k]
        for k in range(posterior.shape[1]):
            posterior[i, k] /= total


@_loop
def right_counts(start, people, given, posterior, right, doubt, labels):
    """Adds to right (A,) the posterior r of every label, to doubt (A,) r (1 - r), and to labels (A,) one."""
    for i in range(len(start) - 1):
        for j in range(start[i], start[i + 1]):
            r = posterior[i, given[j]]
            right[people[j]] += r
            doubt[people[j]] += r * (1 - r)
            labels[people[j]] += 1


@_loop
def fixed_counts(start, people, given, posterior, counts, mass):
    """Adds to counts (A, K, K) int64 [annotator, given, true] and mass (K,) the posteriors, in units of 1 / FIXED."""
    for i in range(len(start) - 1):
        for k in range(posterior.shape[1]):
            fixed = np.int64(posterior[i, k] * FIXED)
            mass[k] += fixed
            for j in range(start[i], start[i + 1]):
                counts[people[j], given[j], k] += fixed


@_loop
def fixed_right_counts(start, people, given, posterior, right, doubt, labels):
    """right_counts in integers (A,), right and doubt in units of 1 / FIXED: the same however the items are cut."""
    for i in range(len(start) - 1):
        for j in range(start[i], start[i + 1]):
            r = posterior[i, given[j]]
            right[people[j]] += np.int64(r * FIXED)
            doubt[people[j]] += np.int64(r * (1 - r) * FIXED)
            labels[people[j]] += 1


@_loop
def together(start, people, given, both, same):
    """Adds to both and same (A, A), below the diagonal, the items that two annotators label, and label alike."""
    for i in range(len(start) - 1):
        for j in range(start[i], start[i + 1]):
            for other in range(start[i], j):
                a, b = max(people[j], people[other]), min(people[j], people[other])
                if a != b:
                    both[a, b] += 1
                    same[a, b] += given[j] == given[other]


@_loop
def label_weights(start, people, copying, weights):
    """weights (m,): 1 / (1 + what the item's other labels copy of this one)."""
    for i in range(len(start) - 1):
        for j in range(start[i], start[i + 1]):
            shared = 0.0
            for other in range(start[i], start[i + 1]):
                if other != j:
                    shared += copying[people[j], people[other]]
            weights[j] = 1 / (1 + shared)
