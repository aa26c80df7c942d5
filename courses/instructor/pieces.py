"""The parts of a class's live pages, for the page, the poll and the socket alike.

Each part has one template, whose root carries a stable id: whoever gets it swaps it by that id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import get_template, render_to_string
from django.utils.html import format_html_join
from django.utils.translation import gettext as _

from accounts.models import Cohort
from courses.instructor.live_view import LiveView
from courses.models import HelpRequest
from courses.selectors.classwork import CourseWork, newest_first, read_classwork
from courses.selectors.content import content_of
from courses.selectors.helping import waiting_count
from courses.selectors.live import CellState, live_grid, newest_request
from courses.selectors.needs import Need, needs_of, waiting_for_device
from courses.selectors.pinned import PinnedCourse, pinned_courses, reading_language
from courses.wording.cells import cell_label
from courses.wording.minutes import span_words
from courses.wording.needs import device_words, trouble_sentences

PIECES: dict[str, tuple[str, ...]] = {
    "live": ("live_summary", "live_grid", "class_news", "needs_count"),
    "needs": ("needs_list", "needs_waits", "class_news", "needs_count"),
    "tabs": ("needs_count",),
}
"""By the key of the page; `tabs` are those of every other page."""


@dataclass(frozen=True, slots=True)
class NeedRow:
    """A student on the list, in words."""

    need: Need
    course_title: str
    step_number: int
    step_title: str
    since: str
    sentences: tuple[str, ...]
    text: str
    next_key: str
    next_title: str


@dataclass(frozen=True, slots=True)
class WaitRow:
    """A student for whom a device has to work, in words."""

    user_id: int
    name: str
    course_title: str
    words: str


def page_context(page: str, cohort: Cohort, view: LiveView, *, can_lead: bool) -> dict[str, Any]:
    """What all parts of a page show."""
    context = {"cohort": cohort, "can_lead": can_lead, "is_projected": view.is_projected}
    return context | {"view": view} | READS[page](cohort, view)


def render_pieces(page: str, cohort: Cohort, view: LiveView, *, can_lead: bool) -> dict[str, str]:
    """The parts by their names, each marked to replace its own element on the page."""
    context = page_context(page, cohort, view, can_lead=can_lead)
    context |= {"is_oob": True, "count": waiting_count(cohort)}
    return {
        name: render_to_string(f"courses/instructor/pieces/{name}.html", context)
        for name in PIECES[page]
    }


def chosen_course(courses: Sequence[PinnedCourse], slug: str) -> PinnedCourse | None:
    """The course that the address names, else that with the newest activity."""
    named = (course for course in courses if course.slug == slug)
    return next(named, courses[0] if courses else None)


def _live(cohort: Cohort, view: LiveView) -> dict[str, Any]:
    pinned = newest_first(cohort, pinned_courses(cohort))
    chosen = chosen_course(pinned, view.course)
    if chosen is None:
        return {"grid": None, "courses": [], "news": ""}
    (course,) = read_classwork(cohort, [chosen.row], is_projected=view.is_projected)
    grid = live_grid(course, reading_language(), sort=view.sort, show=view.show)
    drawn = _drawn_cells()
    rows = [
        {
            "row": row,
            "cells": format_html_join("", "{}", ((drawn[cell],) for cell in row.cells)),
            "opened_for": _span(row.here.opened_for if row.here else None),
            "active_for": _span(row.here.active_for if row.here else None),
            "away_for": _span(row.here.away_for if row.here else None),
            "device": device_words(row.device) if row.device else "",
        }
        for row in grid.rows
    ]
    titles = [(item.slug, item.title) for item in pinned]
    return {"grid": grid, "rows": rows, "courses": titles, "news": _news(cohort, course)}


def _drawn_cells() -> dict[CellState, str]:
    """Each kind of cell as HTML: a large class has thousands of cells, of seven kinds."""
    template = get_template("courses/instructor/pieces/live_cell.html")
    return {
        state: template.render({"state": state.value, "label": cell_label(state)})
        for state in CellState
    }


def _needs(cohort: Cohort, view: LiveView) -> dict[str, Any]:
    pinned = newest_first(cohort, pinned_courses(cohort))
    courses = read_classwork(cohort, [item.row for item in pinned], is_projected=view.is_projected)
    waits = [
        WaitRow(
            work.user_id,
            work.name,
            _title(course),
            device_words(work.device) if work.device else _("a device is at work"),
        )
        for course, work in waiting_for_device(courses)
    ]
    needs = [_need_row(need, view) for need in needs_of(courses)]
    news = _news(cohort, courses[0]) if courses else ""
    return {"needs": needs, "waits": waits, "news": news}


def _tabs(_cohort: Cohort, _view: LiveView) -> dict[str, Any]:
    return {}


READS: dict[str, Callable[[Cohort, LiveView], dict[str, Any]]] = {
    "live": _live,
    "needs": _needs,
    "tabs": _tabs,
}


def _need_row(need: Need, view: LiveView) -> NeedRow:
    item, after, language = need.item, need.next_locked, reading_language()
    assert item is not None
    assert need.work.course is not None
    # What a student wrote, and the names of their things, are not for a screen that everybody sees.
    may_quote = not view.is_projected
    return NeedRow(
        need=need,
        course_title=_title(need.course),
        step_number=need.work.course.steps.index(item) + 1,
        step_title=item.step.text(language).title,
        since=span_words(need.course.now - need.since),
        sentences=tuple(
            sentence
            for trouble in need.troubles
            for sentence in trouble_sentences(trouble, may_quote=may_quote)
        ),
        text=need.help.text if need.help and may_quote else "",
        next_key=after.step.key if after else "",
        next_title=after.step.text(language).title if after else "",
    )


def _news(cohort: Cohort, course: CourseWork) -> str:
    """Who asked for help last; read out when it changes."""
    request = newest_request(cohort)
    if request is None:
        return ""
    names = {work.user_id: work.name for work in course.students}
    name = names.get(request.enrolment.user_id, "")
    if not name:
        return ""
    return _("%(name)s asks for help at “%(step)s”.") % {
        "name": name,
        "step": _step_title(request),
    }


def _step_title(request: HelpRequest) -> str:
    step = content_of(request.enrolment.version_id).step(request.step_key)
    return step.text(reading_language()).title if step is not None else request.step_key


def _title(course: CourseWork) -> str:
    return course.content.about.title.text(reading_language())


def _span(span: Any) -> str:
    return span_words(span) if span is not None else ""
