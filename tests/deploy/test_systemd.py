"""The unit for one host without containers: it starts what is there, and may write one folder."""

import configparser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_unit_runs_our_processes_with_few_rights():
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str
    unit.read(ROOT / "deploy/systemd/connect@.service")
    service = unit["Service"]
    command, process = service["ExecStart"].split()
    assert (ROOT / Path(command).relative_to("/opt/connect")).is_file()
    assert process == "%i"
    assert (service["User"], service["ProtectSystem"], service["NoNewPrivileges"]) == ("connect", "strict", "yes")
    assert service["StateDirectory"] == "connect"
