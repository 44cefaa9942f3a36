"""docker-compose.yaml, checked without an engine (`make compose-check`): whole, healthy, confined, and without a
password."""

from __future__ import annotations

import copy
import json
import re
import stat

import pytest
import yaml
from conftest import PROJECT

from labelaudit_airflow.scaled_out import write_secrets
from labelaudit_airflow.stack.compose import VARIABLE, in_order, moved, resolved, variables

TEXT = (PROJECT / "docker-compose.yaml").read_text()
SECRET = re.compile(r"(PASSWORD|SECRET|KEY|AUTH)(_ID)?$")
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load(TEXT)


def test_the_stack_is_complete(compose):
    assert set(compose["services"]) == {*AIRFLOW, "init", "postgres", "redis", "seaweedfs"}
    for service in compose["services"].values():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed == "init" else "service_healthy"
            assert how["condition"] == wanted
            assert needed in compose["services"]
    for name in AIRFLOW:
        assert "init" in compose["services"][name]["depends_on"]


def test_everything_that_is_named_is_there(compose):
    build = compose["services"]["init"]["build"]["dockerfile_inline"]
    for line in re.findall(r"^COPY (.*) \S+$", build, re.M):
        for name in line.split():
            assert (PROJECT / name).exists(), name
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (PROJECT / source).exists() if source.startswith(".") else source in compose["volumes"]
        for config in service.get("configs", ()):
            assert config["source"] in compose["configs"]


def test_no_secret_has_a_value_or_a_default(compose):
    """Every secret is `${NAME:?why}`: without .env nothing starts, rather than with a password that all know."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)), name
    for name, kind, _ in VARIABLE.findall(TEXT):
        if SECRET.search(name):
            assert kind == ":?", name
    assert not re.findall(r"://\w*:(?!\$\{)[^/@\s]+@", TEXT), "a password in an address"


def test_the_example_names_every_variable_and_no_secret():
    example = (PROJECT / ".env.example").read_text()
    named = dict(line.split("=", 1) for line in example.splitlines() if "=" in line and not line.startswith("#"))
    assert set(named) == {name for name, _, _ in VARIABLE.findall(TEXT)}
    assert not [name for name, value in named.items() if SECRET.search(name) and value]


def test_make_secrets_makes_an_environment_that_compose_accepts(tmp_path):
    target = tmp_path / ".env"
    write_secrets(PROJECT / ".env.example", target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    made = variables(target)
    secrets = [value for name, value in made.items() if SECRET.search(name)]
    assert len(set(secrets)) == len(secrets) == 8
    assert all(len(value) >= 32 for value in secrets)
    example = (PROJECT / ".env.example").read_text().splitlines()
    others = {name: value for name, value in made.items() if not SECRET.search(name)}
    assert [f"{name}={value}" for name, value in others.items() if f"{name}={value}" not in example] == []
    said = resolved(made)
    services = said["services"]
    assert services["worker"]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".SimpleAuthManager")
    assert not services["init"]["build"]["args"]["PACKAGES"]
    identities = json.loads(said["configs"]["s3"]["content"])["identities"]
    assert identities[0]["credentials"][0]["accessKey"] == made["S3_ACCESS_KEY"]
    assert made["POSTGRES_PASSWORD"] in services["scheduler"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    with pytest.raises(SystemExit, match="not set"):
        resolved({})
    with pytest.raises(SystemExit, match="there already"):
        write_secrets(PROJECT / ".env.example", target)


PINNED = re.compile(r"[\w./-]+:(\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}|\$\{\w+:-\d+\.\d+\})")
"""An exact version with its digest; or by a variable whose default is one, for the image whose digest nobody tells."""
USED = {
    "init": {"POSTGRES_PASSWORD", "FERNET_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY", "AIRFLOW_ADMIN_PASSWORD"},
    "api-server": {"POSTGRES_PASSWORD", "FERNET_KEY", "JWT_SECRET", "API_SECRET_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY"},
    "scheduler": {"POSTGRES_PASSWORD", "FERNET_KEY", "JWT_SECRET", "REDIS_PASSWORD"},
    "dag-processor": {"POSTGRES_PASSWORD", "FERNET_KEY"},
    "triggerer": {"POSTGRES_PASSWORD", "FERNET_KEY"},
    "worker": {"REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"},
    "postgres": {"POSTGRES_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
    "seaweedfs": {"S3_ACCESS_KEY", "S3_SECRET_KEY"},
}
"""The secrets that each service can't do without."""
REACHED = {
    "database": {"init", "api-server", "scheduler", "dag-processor", "triggerer", "postgres"},
    "broker": {"scheduler", "worker", "redis"},
    "objects": {"init", "api-server", "worker", "seaweedfs"},
    "tasks": {"api-server", "worker"},
    "outside": {"api-server", "worker"},
}
"""Who is in which network; all but the last are closed."""


def broken_promises(compose: dict) -> set[str]:
    """What the file's head promises of every service and a service does not keep, as `service: promise`."""
    broken = set()
    for name, service in compose["services"].items():
        checks = {
            "pinned": is_pinned(compose, service),
            "not root": re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))),
            "no capabilities": service.get("cap_drop") == ["ALL"] and not service.get("cap_add"),
            "no new privileges": service.get("security_opt") == ["no-new-privileges:true"],
            "not privileged": not {"privileged", "pid", "ipc", "network_mode", "devices"} & set(service),
            "read-only root": service.get("read_only") is True,
            "memory": re.fullmatch(r"\d+[mg]", default_of(service.get("mem_limit"))),
            "cpu": float(default_of(service.get("cpus")) or 0) > 0,
            "pids": int(service.get("pids_limit", 0)) > 0,
            "published": service.get("ports", []) == (["${BIND:-127.0.0.1}:8080:8080"] if name == "api-server" else []),
            "secrets": secrets_of(compose, service) == USED[name],
            "networks": set(service.get("networks", ["default"])) == {net for net, of in REACHED.items() if name in of},
            "health": name == "init" or is_checked(service.get("healthcheck", {})),
            "passwords": not any("passwords:" in volume for volume in service.get("volumes", ()))
            or name == "init"
            or (name == "api-server" and "passwords:/var/lib/airflow:ro" in service["volumes"]),
        }
        broken |= {f"{name}: {promise}" for promise, kept in checks.items() if not kept}
    for name, network in compose["networks"].items():
        if name != "outside" and not (network or {}).get("internal"):
            broken.add(f"{name}: closed")
    return broken


def is_pinned(compose: dict, service: dict) -> bool:
    if service["image"] != "labelaudit:local":
        return bool(PINNED.fullmatch(service["image"]))
    bases = re.findall(r"^FROM (\S+)", compose["services"]["init"]["build"]["dockerfile_inline"], re.M)
    return bool(bases) and all(PINNED.fullmatch(base) for base in bases)


def is_checked(healthcheck: dict) -> bool:
    return bool(healthcheck.get("test")) and not healthcheck.get("disable")


def default_of(value: object) -> str:
    return VARIABLE.sub(lambda reference: reference[3] or "", str(value or ""))


def secrets_of(compose: dict, service: dict) -> set[str]:
    """The secret variables that a service can read: in its environment, its command, and the files that it is given."""
    given = [service.get("environment"), service.get("command")]
    given += [compose["configs"][config["source"]] for config in service.get("configs", ())]
    return {name for name, _, _ in VARIABLE.findall(json.dumps(given)) if SECRET.search(name)}


def test_every_service_keeps_every_promise(compose):
    assert broken_promises(compose) == set()


OPPOSITES = {
    "pinned": {"image": "postgres:15-bookworm"},
    "not root": {"user": "0:0"},
    "no capabilities": {"cap_add": ["NET_ADMIN"]},
    "no new privileges": {"security_opt": []},
    "not privileged": {"privileged": True},
    "read-only root": {"read_only": False},
    "memory": {"mem_limit": None},
    "cpu": {"cpus": None},
    "pids": {"pids_limit": -1},
    "published": {"ports": ["5432:5432"]},
    "secrets": {"command": ["${FORGOTTEN_PASSWORD:?run make secrets}"]},
    "networks": {"networks": ["outside", "database", "broker", "objects", "tasks"]},
    "health": {"healthcheck": {"disable": True}},
    "passwords": {"volumes": ["passwords:/var/lib/airflow"]},
}
"""A change of a service by which it breaks one promise."""


@pytest.mark.parametrize("promise", OPPOSITES)
def test_a_service_that_breaks_a_promise_is_seen(compose, promise):
    for name in compose["services"].keys() - ({"init"} if promise in ("health", "passwords") else {}):
        broken = copy.deepcopy(compose)
        broken["services"][name] |= OPPOSITES[promise]
        assert broken_promises(broken) == {f"{name}: {promise}"}


@pytest.mark.parametrize("line", ["user", "cap_drop", "security_opt", "read_only", "pids_limit", "networks"])
def test_a_promise_that_is_only_forgotten_is_seen_as_well(compose, line):
    for name in compose["services"]:
        broken = copy.deepcopy(compose)
        del broken["services"][name][line]
        assert len(broken_promises(broken)) == 1, (name, line)


@pytest.mark.parametrize("name", ["init", *AIRFLOW])
def test_what_a_service_writes_lies_where_it_can(compose, name):
    """On a root that can't be written to, Airflow's home, its logs and compiled code lie elsewhere."""
    service = compose["services"][name]
    there = [mount.split(":")[0] for mount in service["tmpfs"]]
    there += [volume.split(":")[1] for volume in service["volumes"] if not volume.endswith(":ro")]
    for variable in ("AIRFLOW_HOME", "AIRFLOW__LOGGING__BASE_LOG_FOLDER", "NUMBA_CACHE_DIR"):
        place = service["environment"][variable]
        assert any(f"{place}/".startswith(f"{folder}/") for folder in there), variable


def test_an_open_network_and_a_base_of_another_day_are_seen(compose):
    broken = copy.deepcopy(compose)
    broken["networks"]["database"] = None
    build = broken["services"]["init"]["build"]
    build["dockerfile_inline"] = re.sub(r"@sha256:\w+", "", build["dockerfile_inline"])
    ours = {f"{name}: pinned" for name in ("init", *AIRFLOW)}
    assert broken_promises(broken) == {"database: closed", *ours}


def test_a_worker_that_is_given_the_keys_of_others_is_seen(compose):
    """What a task could read, whoever wrote the file that it parses."""
    for anchor in ("x-database", "x-tokens", "x-sessions"):
        broken = copy.deepcopy(compose)
        broken["services"]["worker"]["environment"] |= broken[anchor]
        assert broken_promises(broken) == {"worker: secrets"}, anchor


def test_services_come_after_what_they_need_and_those_of_a_profile_when_it_is_named(compose):
    """As compose does it: a profile's services, say of Dask, stay out until somebody asks for them."""
    services = compose["services"] | {"dask-scheduler": {"profiles": ["dask"], "depends_on": {"init": {}}}}
    usual = list(in_order(services, frozenset()))
    assert sorted(usual) == sorted(compose["services"])
    for name, service in compose["services"].items():
        assert all(usual.index(needed) < usual.index(name) for needed in service.get("depends_on", ()))
    assert [*usual, "dask-scheduler"] == list(in_order(services, frozenset({"dask"})))


def test_a_variable_is_a_value_and_a_place_is_changed_once():
    """JSON in .env stays text; a place of this machine that looks like the container's is not changed again."""
    text = "alerts: ${ALERTS:-[]}\nplace: ${PLACE:?why}/a\nprice: $$5\n"
    assert resolved({"PLACE": "[x]"}, text) == {"alerts": "[]", "place": "[x]/a", "price": "$5"}
    assert moved(["/tmp/a", "/opt/a/b"], {"/tmp": "/tmp/home", "/opt/a": "/tmp/c", "/opt": "/no"}) == [
        "/tmp/home/a",
        "/tmp/c/b",
    ]
