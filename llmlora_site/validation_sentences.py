"""What the schema validation found, as sentences in the caller's language with the path of each field."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from common.errors import Fault

TEXT = gettext_noop("This must be text.")
WHOLE_NUMBER = gettext_noop("This must be a whole number.")
NUMBER = gettext_noop("This must be a number.")
YES_OR_NO = gettext_noop("This must be true or false.")
LIST = gettext_noop("This must be a list.")
OBJECT = gettext_noop("This must be an object with named fields.")
CHOICE = gettext_noop("This must be one of: %(expected)s.")
OTHER = gettext_noop("This value can not be used.")

# Keys are the kinds of the schema library; %(name)s values come from the same finding.
SENTENCES: dict[str, str] = {
    "missing": gettext_noop("This field is required."),
    "extra_forbidden": gettext_noop("There is no field of this name."),
    "string_type": TEXT,
    "string_unicode": TEXT,
    "string_too_short": gettext_noop("This is too short. The shortest length is %(min_length)s."),
    "string_too_long": gettext_noop("This is too long. The longest length is %(max_length)s."),
    "string_pattern_mismatch": gettext_noop("This does not have the expected form."),
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": gettext_noop("This number has too many digits."),
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": gettext_noop("This must be a finite number."),
    "bool_type": YES_OR_NO,
    "bool_parsing": YES_OR_NO,
    "greater_than": gettext_noop("This must be greater than %(gt)s."),
    "greater_than_equal": gettext_noop("This must be at least %(ge)s."),
    "less_than": gettext_noop("This must be less than %(lt)s."),
    "less_than_equal": gettext_noop("This must be at most %(le)s."),
    "multiple_of": gettext_noop("This must be a multiple of %(multiple_of)s."),
    "list_type": LIST,
    "too_short": gettext_noop("This holds too few entries. The fewest are %(min_length)s."),
    "too_long": gettext_noop("This holds too many entries. The most are %(max_length)s."),
    "dict_type": OBJECT,
    "mapping_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "literal_error": CHOICE,
    "enum": CHOICE,
    "uuid_type": gettext_noop("This is not an id."),
    "uuid_parsing": gettext_noop("This is not an id."),
    "datetime_parsing": gettext_noop("This is not a date with a time."),
    "date_parsing": gettext_noop("This is not a date."),
}


def faults_of(findings: list[dict[str, Any]]) -> list[Fault]:
    """One fault for each finding; the first part of a location names the request's part and is left out."""
    return [
        Fault(_sentence(finding), field=".".join(str(part) for part in finding["loc"][1:]) or None)
        for finding in findings
    ]


def _sentence(finding: dict[str, Any]) -> str:
    template = _(SENTENCES.get(finding["type"], OTHER))
    try:
        return str(template % finding.get("ctx", {}))
    except KeyError:
        return _(OTHER)
