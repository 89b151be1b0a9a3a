"""The audit log: its chain is whole, and the database still refuses to change it."""

from collections.abc import Iterator

from connect.audit import append_only, chain
from connect.operations.verify.findings import Check


def broken_chain() -> Iterator[str]:
    for fault in chain.faults():
        yield f"position {fault.position or '–'}: {fault.what}"


CHECKS = (
    Check(
        "audit-chain", "The audit log's chain is whole.", broken_chain,
        "Somebody changed or deleted entries past the code. Keep the database as it is, and compare with the heads in "
        "the logs (audit.chained): `manage.py audit verify --witness POSITION:HASH`.",
    ),
    Check(
        "audit-guarded", "The database refuses to change or delete audit entries.", append_only.missing,
        "Triggers were dropped, or a restore left them out: `manage.py migrate audit zero` is NOT the way; run "
        "`manage.py shell -c 'from connect.audit import append_only; append_only.install()'`.",
    ),
)  # fmt: skip
