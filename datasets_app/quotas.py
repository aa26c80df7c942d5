"""How much space the datasets of a person or of a cohort take, and how much they may take."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import TooLargeError
from datasets_app.models import Dataset, DatasetImport, DatasetVersion

NEARLY_FULL_SHARE = 0.9


class QuotaError(TooLargeError):
    code = "quota"


@dataclass(frozen=True, slots=True)
class SpaceUse:
    """Bytes that are taken, and bytes that may be."""

    used: int
    limit: int

    @property
    def is_full(self) -> bool:
        return self.used >= self.limit

    @property
    def is_nearly_full(self) -> bool:
        return self.used >= NEARLY_FULL_SHARE * self.limit

    def has_room_for(self, extra_bytes: int) -> bool:
        """Whether so much more fits; what needs no room always does."""
        return extra_bytes <= 0 or self.used + extra_bytes <= self.limit


def user_space(user: User) -> SpaceUse:
    """A person's own datasets, and the files that still wait to become one."""
    waiting = DatasetImport.objects.filter(
        owner=user, state__in=(DatasetImport.State.CHECKING, DatasetImport.State.OPEN)
    ).aggregate(total=Sum("size_bytes"))["total"]
    stored = _bytes_of(DatasetVersion.objects.filter(dataset__owner=user))
    return SpaceUse(used=stored + (waiting or 0), limit=settings.USER_DATASET_BYTES)


def cohort_space(cohort: Cohort) -> SpaceUse:
    """The datasets that are shared with a cohort."""
    versions = DatasetVersion.objects.filter(
        dataset__visibility=Dataset.Visibility.COHORT, dataset__cohort=cohort
    )
    return SpaceUse(used=_bytes_of(versions), limit=cohort.dataset_quota_bytes)


def dataset_bytes(dataset: Dataset) -> int:
    """What all versions of a dataset take together."""
    return _bytes_of(DatasetVersion.objects.filter(dataset=dataset))


def check_quota(
    user: User, extra_bytes: int, cohort: Cohort | None = None, *, asked_by: User | None = None
) -> None:
    """Whether user's datasets, and with a cohort those shared with it, may take extra_bytes more.

    Args:
        asked_by: who reads the refusal, when that is not user.

    Raises:
        QuotaError: they may not; the sentence has the figures.
    """
    space = user_space(user)
    if not space.has_room_for(extra_bytes):
        if asked_by is None or asked_by.pk == user.pk:
            sentence = _(
                "Your datasets take %(used)s of %(limit)s, and this needs %(extra)s more, so nothing was saved. "
                "Delete datasets or old versions that you no longer need, then try again."
            )
        else:
            sentence = _(
                "The datasets of %(name)s, who owns this one, take %(used)s of %(limit)s, "
                "and this needs %(extra)s more, so nothing was saved. "
                "Ask %(name)s to delete what is no longer needed."
            )
        raise QuotaError(sentence % _figures(space, extra_bytes, str(user)))
    if cohort is not None:
        check_cohort_quota(cohort, extra_bytes)


def check_version_quota(dataset: Dataset, extra_bytes: int, *, asked_by: User) -> None:
    """Whether a version of so many bytes may be added to a dataset.

    Raises:
        QuotaError: it may not.
    """
    is_shared = dataset.visibility == Dataset.Visibility.COHORT
    cohort = dataset.cohort if is_shared else None
    check_quota(dataset.owner, extra_bytes, cohort, asked_by=asked_by)


def check_cohort_quota(cohort: Cohort, extra_bytes: int) -> None:
    """Whether the datasets shared with a cohort may take extra_bytes more.

    Raises:
        QuotaError: they may not.
    """
    space = cohort_space(cohort)
    if not space.has_room_for(extra_bytes):
        sentence = _(
            "The datasets shared with %(name)s take %(used)s of %(limit)s, and this needs %(extra)s more, "
            "so nothing was saved. Stop sharing or delete one that the cohort no longer needs, "
            "or ask your instructor for more space."
        )
        raise QuotaError(sentence % _figures(space, extra_bytes, cohort.name))


def _figures(space: SpaceUse, extra_bytes: int, name: str) -> dict[str, str]:
    return {
        "name": name,
        "used": filesizeformat(space.used),
        "limit": filesizeformat(space.limit),
        "extra": filesizeformat(extra_bytes),
    }


def _bytes_of(versions: QuerySet[DatasetVersion]) -> int:
    # Versions with the same examples share one file, which is counted once.
    files = versions.order_by().values("file", "size_bytes").distinct()
    return files.aggregate(total=Sum("size_bytes"))["total"] or 0
