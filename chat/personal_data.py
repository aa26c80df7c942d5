"""What chats keep about a person: conversations with all answers and votes, sets of questions and their runs."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.exporting import whole_as_json
from chat.models import Answerer, ChatSession, Message, PromptRun, PromptSet, Reply, Vote
from chat.services.keeping import delete_session
from chat.services.prompt_runs import delete_run
from common.personal_data import Item, PersonalData, rows


def _collect_chats(user: User) -> Iterator[Item]:
    sessions = ChatSession.objects.filter(owner=user)
    yield "chats/chats.json", rows(sessions)
    for session in sessions.iterator():
        yield f"chats/{session.kind}-{session.pk}.json", whole_as_json(session)


def _erase_chats(user: User) -> None:
    for session in ChatSession.objects.filter(owner=user):
        delete_session(session)
    _unname_models(user)


def _unname_models(user: User) -> None:
    """Models of the person's that others talked to bear a name that the person gave them."""
    lent = Answerer.objects.filter(job__owner=user).exclude(session__owner=user)
    for answerer in lent.select_related("session__owner", "job"):
        session, own_name = answerer.session, answerer.label
        with override(session.owner.language or settings.LANGUAGE_CODE):
            answerer.label = gettext("Erased model")
        answerer.save(update_fields=["label"])
        if own_name in session.name:
            session.name = session.name.replace(own_name, answerer.label)
            session.name = session.name[: ChatSession._meta.get_field("name").max_length]
            session.save(update_fields=["name"])


def _collect_prompts(user: User) -> Iterator[Item]:
    yield "chats/prompt_sets.json", rows(PromptSet.objects.filter(owner=user))
    yield "chats/prompt_runs.json", rows(PromptRun.objects.filter(session__owner=user))


def _erase_prompts(user: User) -> None:
    for run in PromptRun.objects.filter(session__owner=user).select_related("session"):
        delete_run(run)
    PromptSet.objects.filter(owner=user).delete()


PARTS = (
    PersonalData(
        app="chat",
        name="chats",
        describe=_(
            "Your chats, duels in the arena and what your programs asked: messages, answers, ratings, corrections "
            "and votes. Models of yours that others talked to lose their names there."
        ),
        models=(ChatSession, Answerer, Message, Reply, Vote),
        collect=_collect_chats,
        erase=_erase_chats,
    ),
    PersonalData(
        app="chat",
        name="prompts",
        describe=_("Your prompt sets, and what models answered to them."),
        models=(PromptSet, PromptRun),
        collect=_collect_prompts,
        erase=_erase_prompts,
    ),
)
