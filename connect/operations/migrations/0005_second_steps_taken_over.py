"""What django-otp kept of second steps in clear moves to the tables of ours, sealed or hashed, and is dropped."""

import base64

from django.db import migrations

from connect.crypto import token_hash

BEFORE = ("otp_static_statictoken", "otp_static_staticdevice", "otp_totp_totpdevice")


def take_over(apps, schema_editor):
    """Authenticators and recovery codes of an installation that had them go on working."""
    with schema_editor.connection.cursor() as cursor:
        there = set(schema_editor.connection.introspection.table_names(cursor))
        if not there.issuperset(BEFORE):
            return
        cursor.execute("SELECT user_id, name, confirmed, key, drift, last_t FROM otp_totp_totpdevice")
        for user_id, name, confirmed, key, drift, last_t in cursor.fetchall():
            made = apps.get_model("operations", "Authenticator").objects.create(
                user_id=user_id, name=name, confirmed=bool(confirmed), drift=drift, last_t=last_t
            )
            made.secret = base64.b32encode(bytes.fromhex(key)).decode()
            made.save(update_fields=["secret"])
        cursor.execute(
            "SELECT d.user_id, t.token FROM otp_static_staticdevice d JOIN otp_static_statictoken t ON t.device_id = d.id"
        )
        by_user = {}
        for user_id, token in cursor.fetchall():
            by_user.setdefault(user_id, []).append(token_hash(token.lower()))
        for user_id, hashes in by_user.items():
            apps.get_model("operations", "RecoveryCodes").objects.create(
                user_id=user_id, name="recovery codes", hashes=hashes
            )
        for table in BEFORE:
            cursor.execute(f"DROP TABLE {table}")


class Migration(migrations.Migration):
    dependencies = [("operations", "0004_second_steps")]
    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]
