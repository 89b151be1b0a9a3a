import pytest
from django.db import connection

from connect.audit import append_only


@pytest.fixture
def append_only_log(db):
    """The triggers as an installation has them (gone again with the test's transaction)."""
    append_only.install()
    return connection
