"""How a reply and its conversation partner are shown; display only."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import Answerer, ChatSession, Reply
from chat.naming import Face, faces_of, is_before_and_after, shown_absences, subtitle_of
from chat.rendering import harmless_text, render_markdown
from chat.sentences import absence_sentence, dropped_sentence, finish_sentence
from chat.server_sentences import remote_sentence
from engine.config import SamplingParams

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    return render_markdown(text)


@register.filter
def harmless(text: str) -> str:
    """The text with visible signs in the place of characters that would act on the page or its order."""
    return harmless_text(text)


@register.filter
def facts(reply: Reply) -> list[str]:
    """What was measured while the reply was drawn, and why it ended, each as one phrase."""
    found = []
    if count := reply.usage.get("completion_tokens"):
        found.append(ngettext("%(count)d token", "%(count)d tokens", count) % {"count": count})
    if speed := reply.timings.get("tokens_per_second"):
        found.append(_("%(speed)s tokens/s") % {"speed": number_format(speed, 1)})
    if (wait := reply.timings.get("first_token_seconds")) is not None:
        found.append(_("first token after %(seconds)s s") % {"seconds": number_format(wait, 2)})
    if ending := finish_sentence(reply.finish_reason):
        found.append(ending)
    # Who answers would tell the models of a blind chat apart.
    if (backend := reply.timings.get("backend")) and not reply.message.session.hides_names:
        found.append(_("answered by %(backend)s") % {"backend": backend})
    return found


@register.filter
def dropped(reply: Reply) -> str:
    return dropped_sentence(reply)


@register.filter
def drawn_with(reply: Reply) -> list[tuple[str, str]]:
    """The settings of a reply as labels and values; of the rarer ones those that were changed."""
    defaults = SamplingParams().to_dict()
    return [
        (_(parameter.label), _typed(value))
        for name, parameter in SamplingParams.parameters().items()
        if (value := reply.sampling.get(name)) is not None
        and not (parameter.advanced and value == defaults[name])
    ]


def _typed(value: float | int | list[str]) -> str:
    if isinstance(value, list):
        return " ".join(value)
    # A seed is a name more than a quantity, so nothing groups its digits.
    return f"{value:g}" if isinstance(value, float) else str(value)


@register.filter
def absences(session: ChatSession) -> list[str]:
    return shown_absences(session)


@register.filter
def can_answer(session: ChatSession) -> bool:
    """Whether a model is left to talk to."""
    answerers: list[Answerer] = list(session.answerers.all())
    return any(not absence_sentence(answerer) for answerer in answerers)


@register.filter
def models(session: ChatSession) -> list[tuple[Answerer, Face]]:
    """The models of a chat, each with what may be told of it."""
    faces = faces_of(session)
    return [(answerer, faces[answerer.pk]) for answerer in session.answerers.all()]


@register.filter
def tuned_model(session: ChatSession) -> Answerer:
    """The first tuned model of a chat, or else the one that it is about."""
    tuned = (row for row in session.answerers.all() if row.kind == Answerer.Kind.TUNED)
    return next(tuned, session.main)


@register.filter
def subtitle(session: ChatSession) -> str:
    return subtitle_of(session)


@register.filter
def shows_training(session: ChatSession) -> bool:
    """Whether a tuned model answers beside the base model that it was made from."""
    return is_before_and_after(session) and not session.is_blind


@register.filter
def leaves_host(session: ChatSession) -> str:
    """Where what is written goes, if a model of the chat answers on another host; empty if none does."""
    sentences = (
        remote_sentence(row.base_model, is_tuned=row.kind == Answerer.Kind.TUNED)
        for row in session.answerers.all()
    )
    return " ".join(dict.fromkeys(filter(None, sentences)))
