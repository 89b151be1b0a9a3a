"""Kombu's file-system broker for laptops, made safe against its own race: a message appears whole or not at all.

Kombu opens the message's file under its final name and writes afterwards; a worker that looks in between takes an empty
file, and ends. Here the file is written aside and renamed.
"""

import os
import uuid
from pathlib import Path
from queue import Empty
from time import monotonic

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose messages appear by rename."""

    def _put(self, queue, payload, **kwargs) -> None:
        folder = Path(self.data_folder_out)
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        draft = folder / f"{name}.draft"
        draft.write_bytes(str_to_bytes(dumps(payload)))
        os.replace(draft, folder / name)

    def _get(self, queue):
        try:
            return super()._get(queue)
        except ValueError:  # half a message, from a process that was killed: losing one costs a few seconds
            raise Empty from None


class Transport(filesystem.Transport):
    """`filesystem://`"""

    Channel = Channel


def install() -> None:
    """Have `filesystem://` mean this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
