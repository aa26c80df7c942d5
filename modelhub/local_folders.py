"""Folders of base models that somebody put on this host: which of them can be offered, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from engine.catalog import CATALOG, BaseModelSpec, local_spec
from engine.errors import UnsupportedModelError
from engine.models.accepting import checked_config
from engine.models.architecture import SUPPORTED_TYPES
from engine.models.cache import REQUIRED_FILES

MAX_NAME_CHARACTERS = 200
"""As many as the row of a base model holds."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """One folder.

    Attributes:
        spec: what its model is; None where it can not be offered.
        refusal: why not, and what to do, in the active language; empty where it can.
    """

    path: Path
    spec: BaseModelSpec | None
    refusal: str = ""

    @property
    def name(self) -> str:
        return self.path.name


def local_folders(place: Path) -> Iterator[LocalFolder]:
    """Every folder in the place of local base models, by name. Reads their configurations and no weights."""
    for path in sorted(place.glob("*")):
        # What begins with a dot is a download or a file manager's.
        if path.is_dir() and not path.name.startswith("."):
            yield _looked_at(path)


def _looked_at(path: Path) -> LocalFolder:
    if any(path.name == spec.name for spec in CATALOG) or len(path.name) > MAX_NAME_CHARACTERS:
        return LocalFolder(path, None, _name_sentence(path.name))
    try:
        return LocalFolder(path, local_spec(path.name, checked_config(path, path.name)))
    except UnsupportedModelError as error:
        return LocalFolder(path, None, _refusal_sentence(error.params))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return LocalFolder(path, None, _refusal_sentence({"name": path.name}))


def _name_sentence(name: str) -> str:
    return _(
        "“%(name)s” is not offered, because its name is too long or belongs to another model here. Rename the folder."
    ) % {"name": name[:MAX_NAME_CHARACTERS]}


def _refusal_sentence(params: dict[str, Any]) -> str:
    match params.get("fault"):
        case "missing_files":
            return _(
                "“%(name)s” is not offered, because its folder lacks %(missing)s. "
                "A base model needs %(needed)s, with the weights in one piece."
            ) % {
                "name": params["name"],
                "missing": ", ".join(params["missing"]),
                "needed": ", ".join(REQUIRED_FILES),
            }
        case "runs_code":
            return _(
                "“%(name)s” is not offered, because it brings code of its own, which is never run here. "
                "Choose a model that needs none."
            ) % {"name": params["name"]}
        case "model_type":
            return _(
                "“%(name)s” is not offered, because models of the type %(type)s can not be trained here. "
                "These can: %(types)s."
            ) % {
                "name": params["name"],
                "type": params["model_type"][:80],
                "types": ", ".join(SUPPORTED_TYPES),
            }
    return _(
        "“%(name)s” is not offered, because its config.json is not that of a language model. Download the model again."
    ) % {"name": params["name"]}
