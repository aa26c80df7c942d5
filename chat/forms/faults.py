"""What a service refused, shown where it was typed."""

from __future__ import annotations

from django import forms

from common.errors import DomainError


def add_domain_error(form: forms.Form, error: DomainError, *, names: dict[str, str]) -> None:
    """Show what a service refused at the fields it names; names maps the service's names to the form's."""
    placed = False
    for fault in error.faults:
        field = names.get(fault.field or "", (fault.field or "").rpartition(".")[2])
        if field in form.fields:
            form.add_error(field, str(fault.message))
            placed = True
    if not placed:
        form.add_error(None, str(error.message))
