"""Tell a person which classes took them in as they signed in, and which did not, and why."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.joining.entering import State
from accounts.joining.groups import join_by_groups
from accounts.models import User


def welcome(request: HttpRequest, person: User, groups: Sequence[str]) -> None:
    entries, refusals = join_by_groups(person, groups)
    for entry in entries:
        name = {"name": entry.cohort.name}
        if entry.state == State.JOINED:
            messages.success(request, _("You are in the class “%(name)s”.") % name)
        else:
            sentence = _("“%(name)s” approves who joins: your request waits until it is decided.")
            messages.info(request, sentence % name)
    for refusal in refusals:
        messages.warning(request, refusal)
