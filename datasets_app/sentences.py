"""Sentences about a dataset version, made from the codes and numbers that are stored with it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

ENCODING_NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
    "shift_jis": "Shift_JIS",
    "euc-jp": "EUC-JP",
}
FORMAT_NAMES = {"json": "JSON", "jsonl": "JSONL", "csv": "CSV", "api": "API"}


def issue_sentence(issue: dict[str, Any]) -> str:
    """What is odd about the records, and whether that matters."""
    count, params = issue["count"], issue["params"]
    code = issue["code"]
    if code == "encoding":
        name = ENCODING_NAMES.get(params["encoding"], params["encoding"])
        sentence = _(
            "The file was in %(encoding)s and is stored as UTF-8. Check that the examples read well."
        )
        return sentence % {"encoding": name}
    if code == "ignored_columns":
        sentence = _("Columns that are not used for training were left out: %(columns)s.")
        return sentence % {"columns": params["columns"]}
    if code == "duplicates":
        sentence = ngettext(
            "%(count)d record is an exact copy of an earlier one. "
            "The model learns it more strongly than the others.",
            "%(count)d records are exact copies of earlier ones. "
            "The model learns them more strongly than the others.",
            count,
        )
        return sentence % {"count": count}
    sentence = ngettext(
        "%(count)d record has an answer of fewer than %(characters)d characters. "
        "There is little in it to learn from.",
        "%(count)d records have an answer of fewer than %(characters)d characters. "
        "There is little in them to learn from.",
        count,
    )
    return sentence % {"count": count, **params}
