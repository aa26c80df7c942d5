"""The sentence for everything that the intake can find: what it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from datasets_app.wording.names import ENCODING_NAMES, LANGUAGE_NAMES, PERSONAL_DATA_NAMES

_CUT = gettext_lazy(
    "The data ends in the middle of a record, so it seems to be cut off. Save or download it again, completely."
)
_BYTE_ORDER_MARK = gettext_lazy(
    "There is a byte order mark in front of this row, left from joining two files. Remove it."
)
_TWICE = gettext_lazy("The field “%(field)s” stands twice in one record. Keep one of them.")

_FILES: dict[str, str | Promise] = {
    "empty": gettext_lazy(
        "There is nothing in it: the file or text is empty. Choose a file that holds examples."
    ),
    "binary": gettext_lazy(
        "This is a %(kind)s file, not text. Export your examples as JSON, JSONL or CSV and upload that file."
    ),
    "not_a_text": gettext_lazy(
        "This file is not text. Upload your examples as JSON, JSONL or CSV."
    ),
    "gzip_broken": gettext_lazy(
        "The gzip file is damaged, so it can not be unpacked. Pack it again, or upload it unpacked."
    ),
    "gzip_cut": gettext_lazy(
        "The gzip file ends too early, so it seems to be cut off. Save or download it again, completely."
    ),
    "gzip_in_gzip": gettext_lazy(
        "Inside this gzip file is another gzip file. Unpack it once and upload what is inside."
    ),
    "gzip_parquet": gettext_lazy(
        "Inside this gzip file is a Parquet file, which is packed already. Upload the Parquet file itself."
    ),
    "too_large_unpacked": gettext_lazy(
        "Unpacked, this is more than %(limit)s, and no more can be read. Split it or keep the most useful examples."
    ),
    "bomb": gettext_lazy(
        "Unpacked, this grows more than %(ratio)d times, as no real examples do, so it was not read. "
        "Upload it unpacked if it is in order."
    ),
    "cut_character": gettext_lazy(
        "The file ends in the middle of a character, so it seems to be cut off. Save or download it again."
    ),
    "not_utf8": gettext_lazy(
        "This line holds bytes that are not UTF-8. Save the whole file as UTF-8 and upload it again."
    ),
    "wrong_encoding": gettext_lazy(
        "The file says that it is in %(encoding)s, but it is not. Save it as UTF-8 and upload it again."
    ),
    "unknown_encoding": gettext_lazy(
        "The encoding of this file is none of UTF-8, UTF-16, Shift_JIS and EUC-JP. "
        "Save it as UTF-8 and upload it again."
    ),
    "too_many_lines": gettext_lazy(
        "There are more than %(limit)d lines in it. Remove the empty ones or split it."
    ),
    "too_many": gettext_lazy(
        "There are more than %(limit)d records in it. Split it into several datasets."
    ),
    "no_records": gettext_lazy("There are no records in it. Add at least one example."),
    "parquet_broken": gettext_lazy(
        "The Parquet file is damaged, so it can not be read. Save or download it again."
    ),
    "parquet_row_group": gettext_lazy(
        "A row group of this Parquet file is larger than %(limit)s. Write it again with smaller row groups."
    ),
    "preference": gettext_lazy(
        "This is a preference set: it has a chosen and a rejected answer to each question. "
        "Here a model learns from one good answer. "
        "Keep the chosen answers only, as messages or as instruction and output."
    ),
    "unpaired_preference": gettext_lazy(
        "This is a preference set: each answer is labelled as good or bad. "
        "Here a model learns every answer that it sees. "
        "Keep the good answers only and remove the label."
    ),
    "multimodal": gettext_lazy(
        "This is a multimodal set: its examples hold pictures, sounds or videos. "
        "The models here read text only. Bring a set of text."
    ),
    "tool_calls": gettext_lazy(
        "This is a set of tool calls: every conversation calls functions, which the models here can not do. "
        "Bring conversations of plain text."
    ),
}
_JSON: dict[str, str | Promise] = {
    "cut": _CUT,
    "open_line": gettext_lazy(
        "The record is not closed on its line. Each record must stand on one line."
    ),
    "not_list": gettext_lazy(
        "A dataset is a list of records in square brackets, or one record on each line (JSONL)."
    ),
    "extra_data": gettext_lazy(
        "There is more text after the end of the data. "
        "Put all records into one list, or one record on each line (JSONL)."
    ),
    "data_not_list": gettext_lazy("The field “data” must hold a list of records."),
    "duplicate_key": _TWICE,
    "huge_number": gettext_lazy("The record holds a number of thousands of digits. Remove it."),
    "not_finite": gettext_lazy(
        "The record holds NaN or an infinite number, which JSON does not have. Remove it."
    ),
    "too_deep": gettext_lazy(
        "Lists and objects are nested more than %(limit)d levels deep. Flatten them."
    ),
    "nul": gettext_lazy("There is a NUL character, which no text needs. Remove it."),
    "surrogate": gettext_lazy(
        "The record holds half of a character (a lone surrogate such as \\ud83d). Remove it."
    ),
    "json_open_quote": gettext_lazy(
        'The text on this line has no closing quote. Close it with " and write a line break in it as \\n.'
    ),
    "json_control": gettext_lazy(
        "There is a control character at character %(column)d. Write a tab as \\t and remove other ones."
    ),
    "json_escape": gettext_lazy(
        "The backslash at character %(column)d starts no valid escape. Write \\\\ for a backslash itself."
    ),
    "json_colon": gettext_lazy(
        "A colon is missing at character %(column)d, between a field’s name and its value."
    ),
    "json_comma": gettext_lazy(
        "A comma or a closing bracket is missing at character %(column)d, before “%(found)s”."
    ),
    "json_extra": gettext_lazy(
        "There is more text after the end of the record, at character %(column)d. Put one object on each line."
    ),
    "json_single_quote": gettext_lazy(
        "There is a single quote at character %(column)d. JSON needs double quotes around names and texts."
    ),
    "json_byte_order_mark": gettext_lazy(
        "There is a byte order mark at character %(column)d, left from joining two files. Remove it."
    ),
    "json_comment": gettext_lazy(
        "There is a comment at character %(column)d. JSON has no comments: remove it."
    ),
    "json_trailing_comma": gettext_lazy(
        "There is a comma before the closing bracket at character %(column)d. Remove the comma."
    ),
    "json_python_word": gettext_lazy(
        "There is a Python word at character %(column)d. JSON writes true, false and null."
    ),
    "json_value": gettext_lazy(
        "This is not valid JSON at character %(column)d, where “%(found)s” stands. Texts need double quotes."
    ),
}
_TABLES: dict[str, str | Promise] = {
    "csv_long_cell": gettext_lazy(
        "A cell that starts here is longer than 64 KiB. Is its closing quote missing?"
    ),
    "csv_open_quote": gettext_lazy(
        "A quote that is opened here is never closed. Close it, and write a quote inside a text twice."
    ),
    "csv_after_quote": gettext_lazy(
        "There is text after a closing quote in this row. Write a quote inside a quoted text twice."
    ),
    "duplicate_column": gettext_lazy(
        "The column “%(name)s” stands twice in the header. Keep one of them."
    ),
    "too_many_columns": gettext_lazy(
        "There are %(count)d columns, and at most %(limit)d can be read. Remove those that hold no text to learn from."
    ),
    "ragged": gettext_lazy(
        "This row has %(found)d cells, but the header has %(expected)d. Is a comma in a text not quoted?"
    ),
    "byte_order_mark": _BYTE_ORDER_MARK,
    "binary_value": gettext_lazy(
        "This row holds bytes, such as a picture or a sound. Keep only the columns with text."
    ),
}
_RECORDS: dict[str, str | Promise] = {
    "record_too_long": gettext_lazy(
        "This record is longer than 64 KiB. Shorten it or split it into several records."
    ),
    "not_object": gettext_lazy(
        "This is no record: “%(found)s”. A record is an object with named fields, in curly brackets."
    ),
    "empty_record": gettext_lazy(
        "This record is empty. It needs instruction and output, or messages, or prompt and completion, or text."
    ),
    "unknown_shape": gettext_lazy(
        "The record has the fields “%(found)s”. "
        "It needs instruction and output, or messages, or prompt and completion, or text."
    ),
    "mixed": gettext_lazy(
        "This is a %(found)s record in a dataset of %(expected)s records. Keep to one shape, or make two datasets."
    ),
    "missing_field": gettext_lazy("The field “%(field)s” is missing. Add it, with text in it."),
    "not_text": gettext_lazy(
        "The field “%(field)s” must hold text in quotes, not a number, a list or an object."
    ),
    "empty_field": gettext_lazy(
        "The field “%(field)s” is empty. Write text in it or remove the record."
    ),
    "bad_messages": gettext_lazy(
        "The field “messages” must be a list of objects, each with “role” and “content”."
    ),
    "bad_role": gettext_lazy("The role “%(role)s” is unknown. Use system, user or assistant."),
    "no_answer": gettext_lazy(
        "No message has the role assistant, so there is no answer to learn from. Add one."
    ),
    "bad_history": gettext_lazy(
        "The field “history” must be a list of pairs, each a question and its answer as text."
    ),
    "tool_call": gettext_lazy(
        "This conversation calls a tool or function, which the models here can not do. Remove the record."
    ),
}
_WARNINGS: dict[str, str | Promise] = {
    "duplicates": ngettext_lazy(
        "%(count)d record is an exact copy of an earlier one. "
        "The model learns it more strongly than the others.",
        "%(count)d records are exact copies of earlier ones. "
        "The model learns them more strongly than the others.",
        "count",
    ),
    "near_duplicates": ngettext_lazy(
        "%(count)d record differs from an earlier one only in case, punctuation or white space. "
        "Remove it, unless you mean to learn it twice.",
        "%(count)d records differ from earlier ones only in case, punctuation or white space. "
        "Remove them, unless you mean to learn them twice.",
        "count",
    ),
    "different_answers": ngettext_lazy(
        "%(count)d record asks what an earlier one asks and answers it differently. "
        "The model can not learn both: keep the better answer.",
        "%(count)d records ask what earlier ones ask and answer it differently. "
        "The model can not learn both: keep the better answers.",
        "count",
    ),
    "short_answers": ngettext_lazy(
        "%(count)d record has an answer of fewer than %(characters)d characters. "
        "There is little in it to learn from.",
        "%(count)d records have an answer of fewer than %(characters)d characters. "
        "There is little in them to learn from.",
        "count",
    ),
    "repeated_question": ngettext_lazy(
        "%(count)d answer only repeats its question. The model would learn to echo: write a real answer.",
        "%(count)d answers only repeat their questions. The model would learn to echo: write real answers.",
        "count",
    ),
    "ends_without_answer": ngettext_lazy(
        "%(count)d conversation does not end with the assistant. What comes after the last answer is not learned.",
        "%(count)d conversations do not end with the assistant. What comes after the last answer is not learned.",
        "count",
    ),
    "role_order": ngettext_lazy(
        "In %(count)d conversation user and assistant do not take turns. "
        "Some base models refuse that: join messages of the same role.",
        "In %(count)d conversations user and assistant do not take turns. "
        "Some base models refuse that: join messages of the same role.",
        "count",
    ),
    "special_tokens": ngettext_lazy(
        "%(count)d text holds a marker of a chat template, such as %(found)s. "
        "The template is added for you: remove the marker.",
        "%(count)d texts hold markers of a chat template, such as %(found)s. "
        "The template is added for you: remove the markers.",
        "count",
    ),
    "markup": ngettext_lazy(
        "%(count)d text holds markup of a web page, such as %(found)s. The model would learn to write it.",
        "%(count)d texts hold markup of web pages, such as %(found)s. The model would learn to write it.",
        "count",
    ),
    "personal_data": ngettext_lazy(
        "%(count)d text seems to hold personal data (%(kind)s). "
        "A tuned model can repeat it to anybody: replace it by an invented one.",
        "%(count)d texts seem to hold personal data (first: %(kind)s). "
        "A tuned model can repeat it to anybody: replace it by invented ones.",
        "count",
    ),
    "encoding": gettext_lazy(
        "The file was in %(encoding)s and is stored as UTF-8. Check that the examples read well."
    ),
    "ignored_columns": gettext_lazy(
        "Columns that are not used for training were left out: %(columns)s."
    ),
    "remembered_columns": gettext_lazy(
        "The columns were read as you chose the last time for a file with the same columns. "
        "To choose anew, upload the file again and tick that you choose the columns yourself."
    ),
    "mixed_languages": gettext_lazy(
        "The answers are in several languages (%(languages)s). "
        "The model may mix them: make one dataset for each language, unless you want that."
    ),
    "unequal_answers": gettext_lazy(
        "Answers differ much in length: half of them have at most %(median)d characters, the longest has %(maximum)d. "
        "Long answers weigh more, because every token counts the same."
    ),
}
SENTENCES: dict[str, str | Promise] = _FILES | _JSON | _TABLES | _RECORDS | _WARNINGS
_SIZES = frozenset({"too_large_unpacked", "parquet_row_group"})


def finding_sentence(code: str, params: Mapping[str, Any], count: int = 1) -> str:
    """What was found, and what to do about it, in the reader's language."""
    values = {**params, "count": count}
    if code in _SIZES:
        values["limit"] = filesizeformat(params["limit"])
    elif code == "encoding":
        values["encoding"] = ENCODING_NAMES.get(params["encoding"], params["encoding"])
    elif code == "personal_data":
        values["kind"] = PERSONAL_DATA_NAMES[params["kind"]]
    elif code == "mixed_languages":
        values["languages"] = ", ".join(
            f"{LANGUAGE_NAMES.get(name, name)} {number}"
            for name, number in params["languages"].items()
        )
    elif code == "columns":
        return _columns_sentence(params)
    return str(SENTENCES[code] % values)


def _columns_sentence(params: Mapping[str, Any]) -> str:
    """Which columns were found, and which there should be."""
    if params["dataset_type"] == "instruction":
        expected = _("instruction and output (input and system are optional)")
    elif params["dataset_type"] == "completion":
        expected = _("prompt and completion, or text")
    else:
        expected = _("instruction and output, or prompt and completion, or text")
    sentence = _("The first line names the columns “%(found)s”. It must name %(expected)s.")
    return sentence % {"found": params["found"], "expected": expected}
