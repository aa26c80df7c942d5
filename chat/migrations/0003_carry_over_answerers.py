"""The models of a session become rows of their own, and its messages a branch."""

from django.db import migrations


def carry_over(apps, schema_editor):
    ChatSession = apps.get_model("chat", "ChatSession")
    Answerer = apps.get_model("chat", "Answerer")
    Message = apps.get_model("chat", "Message")
    Reply = apps.get_model("chat", "Reply")
    sessions = ChatSession.objects.select_related("job__base_model", "base_model")
    for session in sessions.iterator(chunk_size=200):
        found = {}
        if session.job is not None:
            found["tuned"] = Answerer(
                session=session, position=0, kind="tuned", label=session.job.name[:120],
                job=session.job, base_model=session.job.base_model,
            )
        base_model = session.base_model or session.job.base_model
        has_base = session.job is None or session.is_compared
        if has_base or Reply.objects.filter(message__session=session, target="base").exists():
            found["base"] = Answerer(
                session=session, position=len(found), kind="base", label=base_model.name[:120],
                base_model=base_model,
            )
        Answerer.objects.bulk_create(found.values())
        for kind, answerer in found.items():
            Reply.objects.filter(message__session=session, target=kind).update(answerer=answerer)
        parent = None
        for message in Message.objects.filter(session=session).order_by("created_at"):
            if parent is not None:
                Message.objects.filter(pk=message.pk).update(parent=parent)
            parent = message
        ChatSession.objects.filter(pk=session.pk).update(head=parent)


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0002_answerers'),
    ]

    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop)]
