"""A certificate on a sheet of A4, as PDF: the same bytes for the same certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import translation
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from courses.selectors.certificates import ShownCertificate
from courses.wording.certificates import figure_phrases, kind_title, steps_sentence

if TYPE_CHECKING:
    from fpdf import FPDF

Colour = tuple[int, int, int]

# The light colours of static/css/tokens.css as a PDF can name them.
TEXT: Colour = (26, 35, 42)
MUTED: Colour = (81, 91, 99)
BORDER: Colour = (219, 213, 202)
ACCENT: Colour = (0, 97, 101)
TUNED: Colour = (172, 67, 24)

FONT = "noto"
WIDTH, HEIGHT, MARGIN = 297.0, 210.0, 24.0
SHOWN_EVIDENCE = 6
DIGEST_LETTERS = 16


class UnsetNameError(Exception):
    """The font has not all letters of the name."""


def certificate_pdf(shown: ShownCertificate, *, address: str) -> bytes:
    """In the certificate's own language.

    Args:
        address: where it can be verified.

    Raises:
        UnsetNameError: print the page instead: a browser has more fonts.
    """
    with translation.override(shown.certificate.language):
        pdf = _new_sheet(shown)
        _draw_frame(pdf)
        _write_claim(pdf, shown)
        _write_evidence(pdf, shown)
        _write_foot(pdf, shown, address)
    _check_letters(pdf)
    return bytes(pdf.output())


def _check_letters(pdf: FPDF) -> None:
    from fpdf.fonts import TTFFont  # noqa: PLC0415

    font = pdf.fonts[FONT]
    if isinstance(font, TTFFont) and font.missing_glyphs:
        raise UnsetNameError


def _new_sheet(shown: ShownCertificate) -> FPDF:
    # Drawing takes libraries of half a second, which no other page needs.
    from fpdf import FPDF  # noqa: PLC0415
    from noto_cjk_sans_jp_regular import FONT_PATH  # noqa: PLC0415

    certificate = shown.certificate
    pdf = FPDF(orientation="landscape", format="A4")
    pdf.set_auto_page_break(False)
    pdf.c_margin = 0
    pdf.set_creation_date(certificate.issued_at)
    pdf.set_title(_("Certificate: %(course)s") % {"course": shown.title})
    pdf.set_author("llmlora")
    pdf.set_lang(certificate.language)
    pdf.add_font(FONT, fname=str(FONT_PATH))
    pdf.add_page()
    return pdf


def _draw_frame(pdf: FPDF) -> None:
    """A thin frame, and the sign of llmlora: a frozen matrix and the two strips that are trained."""
    pdf.set_draw_color(*BORDER)
    pdf.set_line_width(0.4)
    pdf.rect(10, 10, WIDTH - 20, HEIGHT - 20)
    left, top, cell, step = MARGIN, 24.0, 2.4, 3.6
    pdf.set_fill_color(*BORDER)
    for row in range(4):
        for column in range(4):
            pdf.rect(left + 5.6 + step * column, top + 5.6 + step * row, cell, cell, style="F")
    span = 3 * step + cell
    pdf.set_fill_color(*TUNED)
    pdf.rect(left, top + 5.6, 3, span, style="F")
    pdf.set_fill_color(*ACCENT)
    pdf.rect(left + 5.6, top, span, 3, style="F")


def _write_claim(pdf: FPDF, shown: ShownCertificate) -> None:
    facts = shown.facts
    _line(pdf, 27, _("Certificate"), size=26, colour=ACCENT, left=MARGIN + 28)
    _line(pdf, 56, shown.certificate.name, size=30)
    pdf.set_draw_color(*BORDER)
    pdf.line(MARGIN, 73, WIDTH - MARGIN, 73)
    _line(pdf, 77, _("has completed the course"), size=11, colour=MUTED)
    _line(pdf, 84, shown.title, size=20)
    about = _("Level %(level)d, version %(version)d, about %(minutes)d minutes") % {
        "level": facts["course"]["level"],
        "version": facts["course"]["version"],
        "minutes": facts["course"]["minutes"],
    }
    _line(pdf, 97, about, size=11, colour=MUTED)
    completed = _("Completed on %(date)s: %(steps)s") % {
        "date": date_format(localtime(shown.completed_at), "DATE_FORMAT"),
        "steps": steps_sentence(facts["steps"]),
    }
    _line(pdf, 104, completed, size=11)


def _write_evidence(pdf: FPDF, shown: ShownCertificate) -> None:
    if not shown.evidence:
        return
    _line(pdf, 117, _("What proves it"), size=12, colour=ACCENT)
    top = 125.0
    for entry in shown.evidence[:SHOWN_EVIDENCE]:
        _line(pdf, top, kind_title(entry.kind), size=9, width=28)
        _line(pdf, top, entry.digest[:DIGEST_LETTERS], size=9, left=MARGIN + 30, width=40)
        phrases = _(", ").join(figure_phrases(entry.figures))
        _line(pdf, top, phrases, size=9, colour=MUTED, left=MARGIN + 72)
        top += 6
    left_out = len(shown.evidence) - SHOWN_EVIDENCE
    if left_out > 0:
        sentence = ngettext(
            "and %(count)d more, at the address below",
            "and %(count)d more, at the address below",
            left_out,
        )
        _line(pdf, top, sentence % {"count": left_out}, size=9, colour=MUTED)


def _write_foot(pdf: FPDF, shown: ShownCertificate, address: str) -> None:
    pdf.set_draw_color(*BORDER)
    pdf.line(MARGIN, 174, WIDTH - MARGIN, 174)
    issued = date_format(localtime(shown.certificate.issued_at), "DATE_FORMAT")
    _line(
        pdf,
        177,
        _("Issued by llmlora on %(date)s. Whether it holds is told at") % {"date": issued},
        size=9,
        colour=MUTED,
    )
    _line(pdf, 183, address, size=9, colour=ACCENT, link=address)
    _line(pdf, 189, f"sha256 {shown.certificate.digest}", size=7, colour=MUTED)


def _line(
    pdf: FPDF,
    top: float,
    text: str,
    *,
    size: float,
    colour: Colour = TEXT,
    left: float = MARGIN,
    width: float = 0,
    link: str = "",
) -> None:
    """One line; a long one is set smaller until it fits."""
    room = width or WIDTH - MARGIN - left
    pdf.set_font(FONT, size=size)
    if pdf.get_string_width(text) > room:
        pdf.set_font(FONT, size=max(4, size * room / (pdf.get_string_width(text) + 1)))
    pdf.set_text_color(*colour)
    pdf.set_xy(left, top)
    pdf.cell(room, size * 0.5, text, link=link)
