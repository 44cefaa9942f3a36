"""Did a rate get worse? Incidents from counts, with a stated budget of false ones. Pure functions over arrays.

>>> from labelaudit.regressions import watch
>>> watch([4] * 40 + [12] * 7, [100] * 47).state
'open'
"""

from labelaudit.regressions.stream import Terms
from labelaudit.regressions.watching import Shift, Watched, watch, watch_all

__all__ = ["Shift", "Terms", "Watched", "watch", "watch_all"]
