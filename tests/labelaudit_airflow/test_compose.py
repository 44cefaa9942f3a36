"""docker-compose.yaml, checked without an engine (`make compose-check`): whole, healthy, and without a password."""

from __future__ import annotations

import json
import re
import stat

import pytest
import yaml
from conftest import PROJECT

from labelaudit_airflow.scaled_out import write_secrets
from labelaudit_airflow.stack.compose import VARIABLE, resolved, variables

TEXT = (PROJECT / "docker-compose.yaml").read_text()
SECRET = re.compile(r"(PASSWORD|SECRET|KEY|AUTH)(_ID)?$")
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load(TEXT)


def test_the_stack_is_complete(compose):
    assert set(compose["services"]) == {*AIRFLOW, "init", "postgres", "redis", "seaweedfs"}
    for name, service in compose["services"].items():
        assert "image" in service
        assert ":latest" not in service["image"]
        assert name == "init" or service["healthcheck"]["test"], name
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
    found = resolved(made)
    services = found["services"]
    assert services["worker"]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".SimpleAuthManager")
    assert not services["init"]["build"]["args"]["PACKAGES"]
    identities = json.loads(found["configs"]["s3"]["content"])["identities"]
    assert identities[0]["credentials"][0]["accessKey"] == made["S3_ACCESS_KEY"]
    assert made["POSTGRES_PASSWORD"] in services["scheduler"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    with pytest.raises(SystemExit, match="not set"):
        resolved({})
    with pytest.raises(SystemExit, match="there already"):
        write_secrets(PROJECT / ".env.example", target)


def test_only_the_api_server_is_reached_from_outside_and_only_from_this_machine(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"api-server": ["${BIND:-127.0.0.1}:8080:8080"]}
