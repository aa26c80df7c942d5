"""What somebody is in a class, and what only its instructors may do."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import Cohort, Membership, User
from common.errors import ForbiddenError


def is_instructor(user: User, cohort: Cohort) -> bool:
    """Whether user is an instructor of the cohort; an assistant is not."""
    own = Membership.objects.filter(cohort=cohort, user=user)
    return own.filter(role=Membership.Role.INSTRUCTOR).exists()


def check_instructor(user: User, cohort: Cohort) -> None:
    """
    Raises:
        ForbiddenError: user is no instructor of the cohort.
    """
    if not is_instructor(user, cohort):
        raise ForbiddenError(
            _("Only instructors of this class may do this. Ask one of them to do it for you.")
        )


def check_leader(user: User, cohort: Cohort) -> None:
    """
    Raises:
        ForbiddenError: user is neither assistant nor instructor of the cohort.
    """
    if not Cohort.objects.led_by(user).filter(pk=cohort.pk).exists():
        raise ForbiddenError(_("You may look at this class, but not change it."))
