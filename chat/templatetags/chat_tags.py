"""How a reply and its conversation partner are shown; display only."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import ChatSession, Reply
from chat.rendering import render_markdown
from chat.sentences import failure_sentence, finish_sentence

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    return render_markdown(text)


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
def base_model_name(session: ChatSession) -> str:
    """The base model that is talked to, or on which the adapter stands."""
    return session.main.base_model.name
