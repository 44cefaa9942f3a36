"""`make up`: Airflow with its UI on this machine, the demo customers scheduled and triggerable."""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

from labelaudit import demo
from labelaudit.store import open_store
from labelaudit_airflow import local

DEMO_DAYS = 3
USER = "admin"
PASSWORDS = "simple_auth_manager_passwords.json.generated"


def prepare(home: Path, port: int) -> tuple[dict[str, str], str]:
    """The environment to start Airflow with, and the password of `admin`, made once and kept readable to us only."""
    home = home.resolve()
    settings = local.environment(home, port) | {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin"}
    folder = home / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    passwords = folder / PASSWORDS
    if not passwords.exists():
        with os.fdopen(os.open(passwords, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump({USER: secrets.token_urlsafe(12)}, file)
    return settings, json.loads(passwords.read_text())[USER]


def main(home: Path, port: int, demo_days: int) -> None:
    settings, password = prepare(home, port)
    for day in range(1, demo_days + 1):
        demo.deliver_day(open_store(settings["LABELAUDIT_STORE"]), day)
    print(f"Airflow starts at http://localhost:{port} (half a minute). User {USER}, password {password}", flush=True)
    airflow = str(Path(sys.executable).with_name("airflow"))
    os.execve(airflow, [airflow, "standalone"], os.environ | settings)  # noqa: S606 - our own environment's program


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[2:]] + [8080, DEMO_DAYS][len(sys.argv) - 2 :]
    main(Path(sys.argv[1]), *numbers)
