import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import connect.crypto


def move(apps, schema_editor):
    """Each key is bound to its table and column: opened there, sealed here."""
    patients = apps.get_model("organizations", "Patient")
    keys = apps.get_model("organizations", "DataKey")
    for patient in patients.objects.only("pk", "data_key").iterator():
        row = keys(patient_id=patient.pk)
        row.key = patient.data_key
        row.save(force_insert=True)


class Migration(migrations.Migration):
    dependencies = [("organizations", "0002_purpose_in_spanish")]

    operations = [
        migrations.CreateModel(
            name="DataKey",
            fields=[
                ("patient", models.OneToOneField(
                    db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True,
                    related_name="key_row", serialize=False, to="organizations.patient",
                )),
                ("key", connect.crypto.SealedField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.RunPython(move, migrations.RunPython.noop),
        migrations.RemoveField(model_name="patient", name="data_key"),
    ]
