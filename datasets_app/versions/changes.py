"""How a version came to be, in a sentence made from the code and values that are stored with it."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from datasets_app.models import DatasetVersion

_SENTENCES: dict[str, Promise] = {
    "row_changed": gettext_lazy("Example %(row)s was changed."),
    "row_added": gettext_lazy("Example %(row)s was added."),
    "row_deleted": gettext_lazy("Example %(row)s was deleted."),
    "restored": gettext_lazy("Version %(number)s was restored."),
    "forked": gettext_lazy("Copied from “%(name)s” of %(owner)s, version %(number)s."),
    "split_training": gettext_lazy("Training part of “%(name)s”, version %(number)s."),
    "split_evaluation": gettext_lazy("Evaluation part of “%(name)s”, version %(number)s."),
}


def change_sentence(version: DatasetVersion) -> str:
    """What was done to make this version of the one before, or where its data came from."""
    change: dict[str, Any] = version.change
    sentence = _SENTENCES.get(change.get("code", ""))
    if sentence is not None:
        return str(sentence) % _Values(change)
    if change.get("code") == "class_rows":
        return _class_rows_sentence(change.get("count", 0))
    if version.source_name:
        return _("Uploaded from “%(file)s”.") % {"file": version.source_name}
    return _("First version.") if version.number == 1 else _("Saved.")


def _class_rows_sentence(count: int) -> str:
    sentence = ngettext(
        "%(count)d row of the class was added.", "%(count)d rows of the class were added.", count
    )
    return sentence % {"count": count}


class _Values(dict[str, Any]):
    """Values of a sentence; one that an older program did not store leaves a gap instead of an error."""

    def __missing__(self, _name: str) -> str:
        return "…"
