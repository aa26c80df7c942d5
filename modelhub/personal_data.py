"""What the model hub keeps about a person."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.personal_data import Item, PersonalData, rows
from modelhub.models import ModelPull


def _collect(user: User) -> Iterator[Item]:
    yield "models/fetched_models.json", rows(ModelPull.objects.filter(requested_by=user))


def _erase(user: User) -> None:
    """The models are the installation's and stay."""
    ModelPull.objects.filter(requested_by=user).update(requested_by=None)


PARTS = (
    PersonalData(
        app="modelhub",
        name="pulls",
        describe=_(
            "Models that you had the server fetch. They stay after an erasure, without you."
        ),
        models=(ModelPull,),
        collect=_collect,
        erase=_erase,
    ),
)
