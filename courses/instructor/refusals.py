"""What a page of a class answers when a service refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from common.errors import ConflictError, ForbiddenError, NotFoundError


@contextmanager
def refusals_answered(request: HttpRequest) -> Iterator[None]:
    """What is not there is 404, what is not allowed 403; a conflict is told on the page that follows."""
    try:
        yield
    except NotFoundError as error:
        raise Http404(error.message) from error
    except ForbiddenError as error:
        raise PermissionDenied(error.message) from error
    except ConflictError as error:
        messages.warning(request, str(error.message))
