"""Abstract bases that two or more apps share; no tables."""

from __future__ import annotations

import uuid

from django.db import models


class UuidModel(models.Model):
    """A row whose id tells nothing and can not be guessed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True
