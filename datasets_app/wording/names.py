"""What formats, encodings, languages and kinds of personal data are called."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ENCODING_NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
    "shift_jis": "Shift_JIS",
    "euc-jp": "EUC-JP",
}
FORMAT_NAMES = {"json": "JSON", "jsonl": "JSONL", "csv": "CSV", "parquet": "Parquet", "api": "API"}
LANGUAGE_NAMES: dict[str, str | Promise] = {
    "ja": _("Japanese"),
    "ko": _("Korean"),
    "zh": _("Chinese"),
    "ru": _("Cyrillic script"),
    "ar": _("Arabic script"),
    "th": _("Thai"),
    "el": _("Greek"),
    "hi": _("Devanagari script"),
    "latin": _("Latin script"),
}
PERSONAL_DATA_NAMES: dict[str, str | Promise] = {
    "mail": _("a mail address"),
    "phone": _("a phone number"),
    "address": _("a postal address"),
    "my_number": _("a My Number"),
}
