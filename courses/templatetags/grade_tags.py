"""What the pages of the gradebook ask for."""

from __future__ import annotations

from django import template

from courses.wording.evidence import short_digest

register = template.Library()
register.filter("short_digest", short_digest)
