"""A PostgreSQL cluster and a Redis server of the test's own: to be stopped, killed and flushed as it likes."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import redis

from connect.operations.demo.processes import die_with_parent

WAIT_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def postgres_program(name: str) -> str | None:
    """The newest installed program of this name; Debian keeps servers' out of the path."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name)


def are_installed() -> bool:
    return bool(postgres_program("initdb") and postgres_program("pg_ctl") and shutil.which("redis-server"))


class Cluster:
    """PostgreSQL on a free port of the loopback, in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder / "postgres", free_port()
        # PostgreSQL refuses to run as root; whoever else runs the tests runs it as themselves.
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        self.folder.mkdir(parents=True)
        if self.user:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            os.chmod(folder, 0o755)
        self._run("initdb", "-D", str(self.folder), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "-D", str(self.folder), "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is a crash: the next start recovers from the log."""
        self._run("pg_ctl", "-D", str(self.folder), "-m", mode, "-w", "stop")

    @property
    def is_up(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.execute("postgres", "SELECT 1")
            return True
        return False

    def url(self, name: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def execute(self, name: str, *statements: str) -> list:
        """Run statements one by one; the rows of the last."""
        with psycopg.connect(self.url(name), autocommit=True) as database:
            for statement in statements:
                cursor = database.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def cut_connections(self, name: str) -> int:
        """Terminate every other session of this database, in the middle of whatever it does."""
        return len(self.execute(
            name, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                  " AND pid <> pg_backend_pid()",
        ))  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        with open(self.folder.parent / "pg_ctl.log", "ab") as log:
            subprocess.run(
                [postgres_program(program), *arguments], check=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd="/tmp", timeout=120, **self.user,
            )  # fmt: skip


class SmallDisk:
    """A file system of so many MiB at a folder, in memory; root only. Use as a context manager."""

    def __init__(self, folder: Path, mib: int):
        self.folder, self.mib = folder, mib

    @staticmethod
    def is_allowed() -> bool:
        """Whether this process may mount."""
        with tempfile.TemporaryDirectory() as place:
            tried = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, check=False
            )
            if tried.returncode == 0:
                subprocess.run(["umount", place], check=True)
        return tried.returncode == 0

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "tmpfs", str(self.folder)], check=True)
        return self

    def __exit__(self, *_) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """Leave no room at all."""
        with contextlib.suppress(OSError), open(self.folder / "ballast", "ab", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass

    def make_room(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)


class Broker:
    """Redis on a free port, keeping nothing on disk: a restart loses all it knew."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509
        )  # fmt: skip
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(redis.RedisError):
                redis.Redis.from_url(self.url).ping()
                return
            time.sleep(0.05)
        raise AssertionError("Redis did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def flush(self) -> None:
        redis.Redis.from_url(self.url).flushall()
