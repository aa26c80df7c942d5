from django.db import migrations, models


def carry_over(apps, schema_editor):
    """Waiting jobs wait since they were made, and every attempt so far that is charged counts as lost."""
    jobs = apps.get_model("training", "TrainingJob").objects
    jobs.filter(status="pending").update(
        queued_at=models.F("created_at"), lost_attempts=models.F("attempt")
    )
    jobs.filter(status="running", attempt__gt=0).update(lost_attempts=models.F("attempt") - 1)


class Migration(migrations.Migration):
    dependencies = [("training", "0003_queue_sweeps_and_notes")]

    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop)]
