from __future__ import annotations

import pytest

from pipeline.config.sections.metadata import MySqlSpec, SqliteSpec
from pipeline.metadata.store import MetadataError, connection, describe

SERVER = MySqlSpec(kind="mysql", host="db", user="me")


def test_a_file_or_a_server_as_configured() -> None:
    assert connection(SqliteSpec(), "/runs/metadata.sqlite", {}).sqlite.filename_uri == "/runs/metadata.sqlite"
    found = connection(SERVER, "unused", {"BIGVOCAB_METADATA_PASSWORD": "secret"}).mysql
    assert (found.host, found.port, found.database, found.user) == ("db", 3306, "bigvocab", "me")
    assert found.password == "secret"


def test_the_environment_comes_before_the_configuration() -> None:
    environment = {"BIGVOCAB_METADATA_HOST": "localhost", "BIGVOCAB_METADATA_PORT": "3307"}
    found = connection(SERVER, "unused", environment).mysql
    assert (found.host, found.port, found.user) == ("127.0.0.1", 3307, "me"), "localhost would be a socket"
    assert connection(SqliteSpec(), "unused", environment).mysql.user == "bigvocab"


def test_a_secret_that_names_a_user_alone_is_heard() -> None:
    found = connection(SERVER, "unused", {"BIGVOCAB_METADATA_USER": "they", "BIGVOCAB_METADATA_PORT": "3307"}).mysql
    assert (found.host, found.port, found.user) == ("db", 3307, "they")
    assert connection(SqliteSpec(), "/metadata.sqlite", {"BIGVOCAB_METADATA_USER": "they"}).HasField("sqlite")


def test_a_line_end_behind_a_password_is_none_of_it() -> None:
    assert connection(SERVER, "unused", {"BIGVOCAB_METADATA_PASSWORD": "secret\n"}).mysql.password == "secret"


def test_no_password_is_ever_shown() -> None:
    found = connection(SERVER, "unused", {"BIGVOCAB_METADATA_PASSWORD": "secret"})
    assert describe(found) == "mysql://me@db:3306/bigvocab"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(MetadataError, match="BIGVOCAB_METADATA_"):
        connection(SERVER, "unused", {"BIGVOCAB_METADATA_HOST": "db", "BIGVOCAB_METADATA_PORT": "many"})
    with pytest.raises(MetadataError, match="SQLite needs a local disk"):
        connection(SqliteSpec(), "gs://bucket/metadata.sqlite", {})
