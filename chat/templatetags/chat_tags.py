"""How a reply and its conversation partner are shown; display only."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import Answerer, ChatSession, Reply
from chat.rendering import harmless_text, render_markdown
from chat.sentences import absence_sentence, dropped_sentence, failure_sentence, finish_sentence
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
def failure(reply: Reply) -> str:
    return failure_sentence(reply)


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
    """Why models of the chat can not answer any more, each sentence once."""
    sentences = (absence_sentence(answerer) for answerer in session.answerers.all())
    return list(dict.fromkeys(filter(None, sentences)))


@register.filter
def can_answer(session: ChatSession) -> bool:
    """Whether a model is left to talk to."""
    answerers: list[Answerer] = list(session.answerers.all())
    return any(not absence_sentence(answerer) for answerer in answerers)


@register.filter
def base_model_name(session: ChatSession) -> str:
    """The base model that is talked to, or on which the adapter stands."""
    return session.main.base_model.name
