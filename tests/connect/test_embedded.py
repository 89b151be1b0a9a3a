"""A laptop's secrets: made once, kept private, the same for every process."""

import stat
from concurrent.futures import ThreadPoolExecutor

from connect.embedded import embedded_secrets


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path):
    made = embedded_secrets(tmp_path)
    assert embedded_secrets(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_starts_at_the_same_moment_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: embedded_secrets(tmp_path), range(8)))
    assert all(one == made[0] for one in made)
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]
