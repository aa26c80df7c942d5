"""Who may see a dataset besides its owner, and the choices that an owner has."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Cohort, User
from datasets_app.models import Dataset

COURSES: dict[str, Promise] = {
    "level-1": gettext_lazy("Level 1"),
    "level-2": gettext_lazy("Level 2"),
    "level-3": gettext_lazy("Level 3"),
}


@dataclass(frozen=True, slots=True)
class Audience:
    """The owner alone, one cohort, or everyone in a course."""

    visibility: Dataset.Visibility
    cohort: Cohort | None = None
    course: str = ""

    @property
    def value(self) -> str:
        """What a form sends for it."""
        parts = [self.visibility.value, str(self.cohort.pk) if self.cohort else "", self.course]
        return ":".join(part for part in parts if part)

    @property
    def title(self) -> str:
        if self.cohort is not None:
            return self.cohort.name
        if self.course:
            return _("Everyone in the course %(course)s") % {
                "course": COURSES.get(self.course, self.course)
            }
        return str(self.visibility.label)


ONLY_OWNER = Audience(Dataset.Visibility.PRIVATE)


@dataclass(frozen=True, slots=True)
class AudienceChoice:
    """One thing to choose, with what it means."""

    audience: Audience
    text: str


def audience_of(dataset: Dataset) -> Audience:
    """Who may see a dataset now; a cohort or course that is gone leaves the owner."""
    if dataset.visibility == Dataset.Visibility.COHORT and dataset.cohort is not None:
        return Audience(Dataset.Visibility.COHORT, cohort=dataset.cohort)
    if dataset.visibility == Dataset.Visibility.COURSE:
        return Audience(Dataset.Visibility.COURSE, course=dataset.course)
    return ONLY_OWNER


def audience_choices(owner: User, dataset: Dataset) -> list[AudienceChoice]:
    """What the owner may choose; what is chosen now is always among them."""
    choices = [AudienceChoice(ONLY_OWNER, _("Nobody else sees it."))]
    choices += [_cohort_choice(cohort) for cohort in _cohorts_for(owner, dataset)]
    if owner.is_staff and not dataset.collects_rows:
        choices += [_course_choice(course) for course in COURSES]
    current = audience_of(dataset)
    if current not in [choice.audience for choice in choices]:
        choices.append(AudienceChoice(current, _("As it is now.")))
    return choices


def _cohorts_for(owner: User, dataset: Dataset) -> list[Cohort]:
    cohorts = Cohort.objects.of(owner)
    if dataset.collects_rows and dataset.cohort_id is not None:
        # Its rows come from this cohort and are nobody else's to read.
        cohorts = cohorts.filter(pk=dataset.cohort_id)
    found = Cohort.objects.filter(pk__in=cohorts.values("pk"))
    return list(found.annotate(people=Count("memberships")))


def _cohort_choice(cohort: Cohort) -> AudienceChoice:
    people: int = cohort.people  # type: ignore[attr-defined]
    text = ngettext(
        "%(count)d person in this cohort, you among them",
        "%(count)d people in this cohort, you among them",
        people,
    ) % {"count": people}
    return AudienceChoice(Audience(Dataset.Visibility.COHORT, cohort=cohort), text)


def _course_choice(course: str) -> AudienceChoice:
    return AudienceChoice(
        Audience(Dataset.Visibility.COURSE, course=course),
        _("Everybody who can sign in here. Only instructors choose this."),
    )
