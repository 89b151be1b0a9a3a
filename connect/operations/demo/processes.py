"""Child processes of the demo: each in a process group of its own, its lines prefixed with its name, none outliving us."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(death_signal: int) -> None:
    """Ask the kernel to end this process when its parent dies, kill -9 included. Linux only; elsewhere nothing."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, death_signal)


@dataclass
class Child:
    """One long-running process. `orphan_signal` is what ends it when the supervisor is killed."""

    name: str
    command: list[str]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    orphan_signal: int = signal.SIGKILL
    process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it. Call from the main thread: the kernel's promise is bound to the thread that forks."""
        supervisor = os.getpid()

        def tie() -> None:
            die_with_parent(self.orphan_signal)
            if os.getppid() != supervisor:
                os._exit(1)

        self.process = subprocess.Popen(
            self.command, cwd=self.folder, env=dict(self.environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=tie,  # noqa: PLW1509
        )  # fmt: skip
        threading.Thread(target=self._print_lines, args=(self.process.stdout,), daemon=True).start()

    def _print_lines(self, stream) -> None:
        for line in stream:
            text = line.decode(errors="replace").rstrip()
            if text:
                print(f"{self.name:<7}| {text}", flush=True)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll() if self.process else None

    def send(self, number: int) -> None:
        """Signal the whole group, whether or not its leader still lives."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def stop_all(children: list[Child], *, patience_seconds: float) -> None:
    """Ask every child to end; after `patience_seconds` end those that have not, and whatever they started."""
    for child in children:
        child.send(signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline and any(child.exit_code is None for child in children):
        time.sleep(0.05)
    for child in children:
        child.send(signal.SIGKILL)
        if child.process:
            child.process.wait()
