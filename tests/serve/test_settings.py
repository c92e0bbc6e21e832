import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from serve.settings import Settings, SettingsError


def test_without_variables_the_defaults_hold() -> None:
    assert Settings.from_env({}) == Settings()


def test_every_setting_can_be_set() -> None:
    environment = {
        "MODEL_PATH": "m.tflite",
        "NUM_THREADS": "2",
        "RESULTS_BUCKET": "results",
        "RESULTS_PREFIX": "p/",
        "RESULT_TAGS": "true",
        "MAX_IMAGE_BYTES": "1000",
        "MAX_IMAGE_PIXELS": "2000",
        "FETCH_ENABLED": "false",
        "FETCH_TIMEOUT_S": "2.5",
        "URL_ALLOWED_HOSTS": "Example.org, .example.net",
        "URL_ALLOWED_PORTS": "443",
        "URL_ALLOWED_NETWORKS": "10.0.0.0/8",
        "FETCH_CONTACT": "cats@example.org",
        "BASE_PATH": "/v1/",
        "CORS_ALLOW_ORIGIN": "*",
        "LOG_LEVEL": "warning",
    }
    assert {name.lower() for name in environment} == set(Settings._fields)
    assert Settings.from_env(environment) == Settings(
        model_path=Path("m.tflite"),
        num_threads=2,
        results_bucket="results",
        results_prefix="p/",
        result_tags=True,
        max_image_bytes=1000,
        max_image_pixels=2000,
        fetch_enabled=False,
        fetch_timeout_s=2.5,
        url_allowed_hosts=frozenset({"example.org", ".example.net"}),
        url_allowed_ports=frozenset({443}),
        url_allowed_networks=frozenset({ip_network("10.0.0.0/8")}),
        fetch_contact="cats@example.org",
        base_path="/v1",
        cors_allow_origin="*",
        log_level="WARNING",
    )


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_env({"NUM_THREADS": " ", "RESULTS_BUCKET": ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NUM_THREADS", "0"),
        ("NUM_THREADS", "-1"),
        ("NUM_THREADS", "two"),
        ("MAX_IMAGE_BYTES", "1.5"),
        ("FETCH_TIMEOUT_S", "0"),
        ("FETCH_TIMEOUT_S", "nan"),
        ("FETCH_TIMEOUT_S", "soon"),
        ("FETCH_ENABLED", "perhaps"),
        ("URL_ALLOWED_PORTS", "443,https"),
        ("URL_ALLOWED_NETWORKS", "10.0.0.1/8"),
        ("LOG_LEVEL", "loud"),
        ("LOG_LEVEL", "CRITICAL"),  # the alarm on bugs would see none
        ("FETCH_CONTACT", "me"),
        ("FETCH_CONTACT", "cats@example.org) x"),
        ("BASE_PATH", "v1"),
        ("BASE_PATH", "/v1?x"),
        ("BASE_PATH", "/"),
        ("URL_ALLOWED_PORTS", "0"),
        ("URL_ALLOWED_PORTS", "65536"),
        ("URL_ALLOWED_NETWORKS", "localhost"),
        ("URL_ALLOWED_HOSTS", "https://example.org"),
        ("URL_ALLOWED_HOSTS", "example.org:443"),
        ("URL_ALLOWED_HOSTS", "example.org/photos"),
        ("URL_ALLOWED_HOSTS", "*"),
        ("URL_ALLOWED_HOSTS", "*example.org"),
        ("URL_ALLOWED_HOSTS", "exa mple.org"),
        ("URL_ALLOWED_HOSTS", "photos.*.org"),
        ("CORS_ALLOW_ORIGIN", "example.org"),
        ("CORS_ALLOW_ORIGIN", "https://example.org/page"),
        ("CORS_ALLOW_ORIGIN", "https://a.example,https://b.example"),
        ("CORS_ALLOW_ORIGIN", "null"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{name}='{value}'")):
        Settings.from_env({name: value})


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("URL_ALLOWED_HOSTS", "*.Example.org", {".example.org"}),
        ("URL_ALLOWED_HOSTS", "example.org., .example.net.", {"example.org", ".example.net"}),
        (
            "URL_ALLOWED_HOSTS",
            "kätzchen.example,*.KÄTZCHEN.example",
            {"xn--ktzchen-5wa.example", ".xn--ktzchen-5wa.example"},
        ),
        ("URL_ALLOWED_HOSTS", "[2606:2800::0:1], 93.184.215.14", {"2606:2800::1", "93.184.215.14"}),
        ("URL_ALLOWED_PORTS", " 443 ,8443,443", {443, 8443}),
        ("CORS_ALLOW_ORIGIN", "https://Example.org/", "https://example.org"),
        ("CORS_ALLOW_ORIGIN", "http://localhost:5173", "http://localhost:5173"),
    ],
)
def test_a_value_that_can_only_mean_one_thing_is_understood(name: str, value: str, meant: object) -> None:
    assert getattr(Settings.from_env({name: value}), name.lower()) == meant
