"""The outcome of a run as a file: CSV for a spreadsheet, JSON with everything for a program."""

from __future__ import annotations

import codecs
import csv
import io
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _

from chat.models import PromptRun
from chat.prompt_sets.finding import answer_texts
from chat.prompt_sets.results import MEASURES, Results
from chat.prompt_sets.table import Row, rows_of
from common import strict_json
from common.errors import Fault, InvalidInputError
from common.safe_csv import safe_cell

FORMATS = ("csv", "json")
MAX_FILE_NAME_CHARACTERS = 80


def export_response(run: PromptRun, results: Results, kind: str) -> HttpResponse:
    """A file that the browser saves.

    Raises:
        InvalidInputError: the kind is none of FORMATS.
    """
    if kind not in FORMATS:
        sentence = _("Choose one of: %(choices)s.") % {"choices": ", ".join(FORMATS)}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="format")])
    if kind == "csv":
        content, content_type = as_csv(run, results), "text/csv; charset=utf-8"
    else:
        content, content_type = _as_json(run, results), "application/json"
    response = HttpResponse(content, content_type=content_type)
    name = slugify(run.session.name, allow_unicode=True)[:MAX_FILE_NAME_CHARACTERS] or "run"
    disposition = content_disposition_header(True, f"{name}.{kind}")
    response.headers["Content-Disposition"] = disposition or "attachment"
    return response


def as_data(run: PromptRun, results: Results) -> dict[str, Any]:
    """Everything that was found, with the answers, and with what it takes to repeat it."""
    rows = rows_of(run, results, answer_texts(run))
    return {
        "id": run.pk,
        "name": run.session.name,
        "state": run.state,
        "source": run.source,
        "digest": run.digest,
        "created_at": run.created_at,
        "completed_at": run.completed_at,
        "settings": run.session.settings,
        "sampling": results["sampling"],
        "similarity_measure": results["similarity_measure"],
        "models": results["models"],
        "summary": results["summary"],
        "differences": results["differences"],
        "items": [_item_data(row) for row in rows],
    }


def as_csv(run: PromptRun, results: Results) -> bytes:
    """A row for each question, with the mark by which Excel knows UTF-8, and no cell that is a formula."""
    text = io.StringIO(newline="")
    table = csv.writer(text, quoting=csv.QUOTE_ALL)
    columns = ["number", "prompt", "reference"]
    for model in results["models"]:
        names = ("answer", *MEASURES, "status")
        columns += [f"{model['name']}: {name}" for name in names]
    table.writerow(map(safe_cell, columns))
    for row in rows_of(run, results, answer_texts(run)):
        table.writerow(map(safe_cell, _cells(row)))
    return codecs.BOM_UTF8 + text.getvalue().encode("utf-8", "replace")


def _as_json(run: PromptRun, results: Results) -> bytes:
    text = strict_json.dumps(as_data(run, results), encoder=DjangoJSONEncoder)
    return text.encode("utf-8", "replace")


def _cells(row: Row) -> list[str]:
    cells = [str(row.number), row.prompt, row.reference]
    for cell in row.cells:
        cells.append(cell.text)
        cells += [_number(getattr(cell, measure)) for measure in MEASURES]
        cells.append(cell.status)
    return cells


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _item_data(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "prompt": row.prompt,
        "reference": row.reference,
        "answers": [
            {
                "model": cell.model["id"],
                "text": cell.text,
                "status": cell.status,
                "is_cut": cell.is_cut,
                "error_message": cell.failure or None,
            }
            | {measure: getattr(cell, measure) for measure in MEASURES}
            for cell in row.cells
        ],
    }
