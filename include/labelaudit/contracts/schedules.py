"""When a dataset is audited: cron, as Airflow itself reads it (croniter), so that what is taken here is taken there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""Airflow's; not `@once` and `@continuous`, which are no schedules of deliveries."""

_FIELDS = re.compile(r"[0-9A-Za-z*,/#?-]{1,100}( +[0-9A-Za-z*,/#?-]{1,100}){4}", re.ASCII)
_RANDOM = re.compile(r"(^|[ ,])[HhRr]([ ,(/]|$)")


def problem(schedule: str) -> str:
    """Why a schedule can't be; empty where it can.

    >>> problem("0 6 * * MON-FRI"), problem("@daily")
    ('', '')
    >>> problem("0 0 30 2 *")
    "'0 0 30 2 *' never comes: no date is like that"
    """
    if schedule in PRESETS:
        return ""
    shown = repr(schedule[:100])
    if not _FIELDS.fullmatch(schedule):
        return f"not a cron expression of five fields: {shown}; e.g. '0 6 * * *', or one of {', '.join(PRESETS)}"
    if _RANDOM.search(schedule):
        return f"{shown} would be another schedule each time that it is read; say the minute and the hour"
    from croniter import CroniterBadDateError, CroniterError, croniter

    try:
        croniter(schedule, datetime(2026, 1, 1, tzinfo=UTC)).get_next()
    except CroniterBadDateError:
        return f"{shown} never comes: no date is like that"
    except CroniterError as error:
        return (
            f"not a cron expression: {error} (minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7); found {shown}"
        )
    return ""
