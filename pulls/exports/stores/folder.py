"""A folder below EXPORTS_DIR on this server."""

import os
import re
import secrets
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import BinaryIO

from django.conf import settings as django_settings

from pulls.exports.stores.errors import StoreRefused, StoreUnavailable

NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


class FolderStore:
    """Files appear whole or not at all: written beside, then renamed."""

    def __init__(self, settings: dict, credentials: dict):
        name = settings["folder"]
        if not NAME.match(name):
            raise StoreRefused("bad_folder")
        self.root = Path(django_settings.EXPORTS_DIR) / name

    def check(self) -> None:
        """Write and delete a small file. Raises StoreError."""
        path = f".connect-{secrets.token_hex(8)}"
        with self._errors():
            self._write(path, b"Connect was here.")
            self.delete(path)

    def put(self, path: str, file: BinaryIO, *, content_type: str) -> None:
        """Store what `file` holds at `path`, in place of what was there."""
        with self._errors():
            self._copy(path, file)

    def delete(self, path: str) -> None:
        with self._errors():
            (self.root / path).unlink(missing_ok=True)

    def forget_drafts(self, path: str) -> None:
        """Delete what a worker that was killed left beside `path`: it holds records, and no erasure would find it."""
        target = self.root / path
        for draft in target.parent.glob(f".{escape(target.name)}.*"):
            draft.unlink(missing_ok=True)

    def path(self, path: str) -> Path:
        return self.root / path

    def _write(self, path: str, body: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        target.write_bytes(body)

    def _copy(self, path: str, file: BinaryIO) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.forget_drafts(path)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with open(draft, "wb") as copy:
                while chunk := file.read(1024 * 1024):
                    copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _errors(self):
        try:
            yield
        except PermissionError:
            raise StoreRefused("not_writable") from None
        except OSError:
            raise StoreUnavailable("disk_fault") from None
