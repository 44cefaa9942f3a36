"""Linear algebra in one thread: with several, the last bits of a model depend on how busy the machine is.

The release's name would, too. On a demo's texts and pictures several threads are also slower, and take twice the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the BLAS libraries of numpy and scipy to one thread; other threads of the process are held with it."""
    import scipy.linalg  # noqa: F401 - what is loaded later than the limit would not be held

    with threadpool_limits(limits=1, user_api="blas"):
        yield
