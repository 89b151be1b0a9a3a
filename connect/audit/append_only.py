"""The triggers by which the database itself refuses to change or delete an audit entry.

One change is let through: an entry that is not chained yet is given its place in the chain, once. The same statements
serve the migration, the retention command, and tests that empty tables.
"""

from django.db import connections

REFUSAL = "the audit log is append-only"

FACTS = (
    "id", "at", "action", "actor_kind", "actor", "organization_id", "environment", "object_type", "object_id",
    "address", "request_id", "detail",
)  # fmt: skip

OLD_FACTS = ", ".join(f"OLD.{name}" for name in FACTS)
NEW_FACTS = ", ".join(f"NEW.{name}" for name in FACTS)

POSTGRES = f"""
CREATE OR REPLACE FUNCTION audit_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.position IS NULL AND NEW.position IS NOT NULL
       AND ({OLD_FACTS}) IS NOT DISTINCT FROM ({NEW_FACTS})
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '{REFUSAL}';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_is_append_only();
CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_append_only();
"""

SQLITE = (
    f"CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    f"CREATE TRIGGER audit_entry_append_only BEFORE UPDATE ON audit_entry "
    f"WHEN OLD.position IS NOT NULL OR NEW.position IS NULL "
    f"OR {' OR '.join(f'OLD.{name} IS NOT NEW.{name}' for name in FACTS)} "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
)

REMOVE_POSTGRES = """
DROP TRIGGER IF EXISTS audit_entry_append_only ON audit_entry;
DROP TRIGGER IF EXISTS audit_entry_no_truncate ON audit_entry;
DROP FUNCTION IF EXISTS audit_entry_is_append_only();
"""
REMOVE_SQLITE = ("DROP TRIGGER IF EXISTS audit_entry_no_delete", "DROP TRIGGER IF EXISTS audit_entry_append_only")


def install(alias: str = "default") -> None:
    """Have the database refuse changes from here on."""
    _run(alias, (POSTGRES,), SQLITE)


def remove(alias: str = "default") -> None:
    """Let changes through again: for undoing the migration, for retention, and for tests that empty tables."""
    _run(alias, (REMOVE_POSTGRES,), REMOVE_SQLITE)


GUARDS = {
    "postgresql": ("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'audit_entry_%' AND tgenabled <> 'D'",
                   ("audit_entry_append_only", "audit_entry_no_truncate")),
    "sqlite": ("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit_entry_%'",
               ("audit_entry_append_only", "audit_entry_no_delete")),
}  # fmt: skip


def missing(alias: str = "default") -> list[str]:
    """The triggers that should guard the log and do not."""
    connection = connections[alias]
    statement, wanted = GUARDS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = {name for (name,) in cursor.fetchall()}
    return [name for name in wanted if name not in found]


def _run(alias: str, postgres, sqlite) -> None:
    connection = connections[alias]
    with connection.cursor() as cursor:
        for statement in postgres if connection.vendor == "postgresql" else sqlite:
            cursor.execute(statement)
