"""Tests that secrets are removed from texts, logs and errors, and that other texts stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.messages import redaction
from components.messages.redaction import is_secret_name, redacted, scrub, secret_of, without_secrets
from tests.drawing import drawn
from tests.planted import ENVIRONMENT, IN_URI, found_in


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("postgresql://me:pa/ss@host/db", "password"),
        ("s3://KEY:SECRET@bucket/rows.csv", "password"),
        ("https://ghp_abc@github.com/rows.csv", "token"),
        ("https://h/rows.csv?sig=abc", "token"),
        ("https://b.s3.amazonaws.com/rows?X-Amz-Date=1&X-Amz-Signature=abc", "token"),
        ("postgresql://me@h/db?password=abc", "password"),
        ("postgresql://me@h/db?sslkey=/home/me/key.pem", None),
        ("postgresql://reader@db.example.com:5432/shop", None),
        ("abfs://container@account.dfs.core.windows.net/rows", None),
        ("gs://bucket/user:me@example.com/rows.csv", None),
        ("gs://bucket/tokens=5/rows.csv", None),
        ("http://localhost:8080/a@b", None),
        ("hdfs://namenode:8020/user/me@example.com/rows.csv", None),
        ("hdfs://me:secret@namenode:8020/rows.csv", "password"),
    ],
)
def test_a_secret_of_a_uri_is_found(uri: str, kind: str | None) -> None:
    assert secret_of(uri) == kind
    assert (redacted(f"error: {uri} is wrong") == f"error: {uri} is wrong") == (kind is None)


@pytest.mark.parametrize("name", [*ENVIRONMENT, "PGPASSWORD", "MYSQL_PWD", "GITHUB_TOKEN", "AZURE_STORAGE_KEY"])
def test_a_name_of_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["PATH", "PWD", "OLDPWD", "MAX_TOKENS", "TOKENIZERS_PARALLELISM", "GOOGLE_APPLICATION_CREDENTIALS",
             "AWS_WEB_IDENTITY_TOKEN_FILE", "KEYBOARD", "dataflow_kms_key"],
)  # fmt: skip
def test_a_name_of_no_secret(name: str) -> None:
    assert not is_secret_name(name)


@drawn()
@given(st.text(st.characters(codec="ascii", exclude_characters="?&;:="), max_size=200))
def test_a_text_without_secrets_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.usefixtures("planted")
def test_no_form_of_the_environment_stays(tmp_path: Path) -> None:
    texts = {"repr": repr(dict(os.environ)), "text": " ".join(ENVIRONMENT.values()), "uri": f"https://u:{IN_URI}@h/x"}
    assert len(found_in(tmp_path, texts)) > 8
    assert found_in(tmp_path, {name: redacted(text) for name, text in texts.items()}) == []


def test_a_setting_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MY_TOKEN": "true", "MY_SECRET": "4096", "MY_PASSWORD": "abc"}.items():
        monkeypatch.setenv(name, value)
    assert redacted("true 4096 abc") == "true 4096 abc"


@pytest.mark.usefixtures("planted")
def test_a_record_of_any_logger_has_no_secret(tmp_path: Path) -> None:
    script = (
        "import logging, os, sys; from components.messages import redaction\n"
        "logging.basicConfig(); redaction.install(); redaction.install()\n"
        "logging.getLogger('urllib3').warning('GET %s', f'https://me:{sys.argv[1]}@h/?x=1')\n"
        "logging.warning('%s %d', os.environ, 'no number')\n"
        "try: raise ValueError(dict(os.environ))\n"
        "except ValueError: logging.exception('failed')\n"
        "logging.warning('plain %s', 'text')\n"
        "raise RuntimeError(os.environ['AWS_SECRET_ACCESS_KEY'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, IN_URI], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    for said in ("GET https://me:***@h/?x=1", "ValueError: {", "RuntimeError: ***", "WARNING:root:plain text"):
        assert said in ended.stderr
    lines = ended.stderr.split("Arguments:")[0]
    assert found_in(tmp_path, {"standard error": lines}) == []


@pytest.mark.usefixtures("planted")
def test_the_secrets_in_a_log_are_overwritten_in_place(tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = "".join(f"{number} {secret}\n" for number in range(100) for secret in ENVIRONMENT.values())
    log.write_text(text)
    scrub(log)
    assert found_in(tmp_path) == []
    assert [len(line) for line in log.read_text().splitlines()] == [len(line) for line in text.splitlines()]
    log.write_text("")
    scrub(log)


@pytest.mark.usefixtures("planted")
def test_an_error_with_a_secret_is_replaced() -> None:
    try:
        raise OSError(str(dict(os.environ)))
    except OSError as error:
        cause = error
    with pytest.raises(redaction.RedactedError, match="ValueError: no rows") as found, without_secrets():
        raise ValueError("no rows") from cause
    assert found.value.__cause__ is None
    with pytest.raises(OSError, match="no rows"), without_secrets():
        raise OSError("no rows")
