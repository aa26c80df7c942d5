"""Measuring the best job on the hidden questions."""

from __future__ import annotations

from courses.catalogue.schema import Check
from courses.models import HiddenMeasurement
from courses.services.measuring import measure
from courses.solving.student import ReferenceStudent, UnsolvableError, wait
from modelhub.sentences import engine_failure_sentence


def measure_hidden(student: ReferenceStudent, check: Check) -> None:
    row, _is_new = measure(
        student.enrolment, student.step.key, student.best_job.pk, language=student.language
    )

    def is_over() -> bool:
        row.refresh_from_db()
        return not row.is_active

    wait(is_over)
    if row.status == HiddenMeasurement.Status.FAILED:
        raise UnsolvableError(engine_failure_sentence(row.error_code, row.error_params))
