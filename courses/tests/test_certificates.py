"""Certificates: issued once for a completed course, told genuine from altered, revoked, shown to everybody."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, Membership, Notification, User
from common.canonical_json import json_digest
from common.errors import ConflictError, ForbiddenError, InvalidInputError
from courses.certificates import pdf as drawing
from courses.certificates.sealing import is_genuine
from courses.models import Certificate, CohortCourse, Enrolment, Evidence, StepProgress
from courses.selectors.certificates import Validity, shown_certificate, validity_of
from courses.services.certifying import issue, plain_name, revoke
from courses.tests.factories import enrol, publish_sample

pytestmark = pytest.mark.django_db
NAME = "山田 花子"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cohort(tmp_path: Path, student: User) -> Cohort:
    """A class that takes the sample course, with one student."""
    course = publish_sample(tmp_path)
    cohort = Cohort.objects.create(name="Class")
    Membership.objects.create(cohort=cohort, user=student)
    CohortCourse.objects.create(cohort=cohort, course=course, version=course.versions.get())
    return cohort


@pytest.fixture
def leader(cohort: Cohort, other_student: User) -> User:
    Membership.objects.create(cohort=cohort, user=other_student, role=Membership.Role.ASSISTANT)
    return other_student


@pytest.fixture
def completed(cohort: Cohort, student: User) -> Enrolment:
    enrolment = enrol(student, "sample")
    for key, state in (("hello", "exempt"), ("quiz", "passed")):
        StepProgress.objects.create(
            enrolment=enrolment, step_key=key, state=state, passed_at=timezone.now()
        )
    Enrolment.objects.filter(pk=enrolment.pk).update(completed_at=timezone.now())
    enrolment.refresh_from_db()
    _prove(enrolment, "dataset", "a" * 64, name="My secret set", examples=24)
    _prove(enrolment, "job", "b" * 64, name="Run", steps=40, first_loss=3.25, last_loss=1.5)
    _prove(enrolment, "job", "b" * 64, check="gain", baseline=2.5, loss=1.125, gain=1.375)
    _prove(enrolment, "quiz_answer", "")
    return enrolment


def _prove(
    enrolment: Enrolment, kind: str, digest: str, check: str = "it", **facts: object
) -> None:
    Evidence.objects.create(
        enrolment=enrolment,
        step_key="quiz",
        check_key=check,
        kind=kind,
        subject_id="1",
        digest=digest,
        facts=facts,
    )


@pytest.fixture
def certificate(completed: Enrolment) -> Certificate:
    made, is_new = issue(completed, name=NAME, language="ja")
    assert is_new
    return made


def page_of(certificate: Certificate, name: str = "certificate") -> str:
    return reverse(f"certificates:{name}", args=[certificate.pk])


def test_it_says_what_was_completed_and_what_proves_it(certificate: Certificate) -> None:
    facts = certificate.facts
    assert facts["course"]["title"] == {"en": "Sample", "ja": "見本"}
    assert facts["course"]["version"] == 1
    assert facts["course"]["manifest"] == certificate.version.digest
    assert facts["steps"] == {"passed": 1, "exempt": 1, "all": 2}
    kinds = {entry["kind"]: entry for entry in facts["evidence"]}
    assert set(kinds) == {"dataset", "adapter"}
    assert kinds["dataset"]["figures"] == {"examples": 24}
    assert kinds["adapter"]["figures"]["gain"] == 1.375
    assert kinds["adapter"]["figures"]["last_loss"] == 1.5
    assert "secret" not in json.dumps(facts)


def test_an_unfinished_course_has_none(cohort: Cohort, student: User) -> None:
    with pytest.raises(ConflictError):
        issue(enrol(student, "sample"), name=NAME, language="en")
    assert not Certificate.objects.exists()


def test_asking_twice_gives_the_first_one(certificate: Certificate, completed: Enrolment) -> None:
    again, is_new = issue(completed, name="Somebody else", language="en")
    assert (again.pk, is_new, again.name) == (certificate.pk, False, NAME)
    with pytest.raises(IntegrityError), transaction.atomic():
        Certificate(
            enrolment=completed,
            version=certificate.version,
            name="x",
            language="en",
            facts={},
            issued_at=timezone.now(),
        ).save(force_insert=True)


@pytest.mark.parametrize(
    "name", ["", "   ", "...", "a" * 121, "Aiko\u202eoka", "Ai\x00ko", "Ai\u200bko"]
)
def test_a_name_that_can_not_stand_on_paper_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        plain_name(name)
    assert refused.value.faults[0].field == "name"


def test_a_name_is_one_line() -> None:
    assert plain_name("  山田\u3000花子\n") == NAME
    assert plain_name("Zoe\u0308 O’Neil-Smith") == "Zoë O’Neil-Smith"


def test_what_was_issued_is_genuine_as_long_as_nothing_changes(certificate: Certificate) -> None:
    stored = Certificate.objects.get(pk=certificate.pk)
    assert validity_of(stored) == Validity.VALID
    other = json.loads(json.dumps(stored.facts))
    other["steps"]["exempt"] = 0
    for field, value in (
        ("name", "Somebody else"),
        ("facts", other),
        ("issued_at", timezone.now() + timedelta(days=1)),
        ("digest", "0" * 64),
        ("signature", "forged"),
    ):
        changed = Certificate.objects.get(pk=certificate.pk)
        setattr(changed, field, value)
        assert validity_of(changed) == Validity.ALTERED, field


def test_another_digest_can_not_be_signed_without_the_key(
    certificate: Certificate, settings: LazySettings
) -> None:
    first = settings.SECRET_KEY
    settings.SECRET_KEY = "another installation"
    assert not is_genuine(certificate)
    settings.SECRET_KEY_FALLBACKS = [first]
    assert is_genuine(certificate)


def test_an_erased_name_leaves_it_valid(certificate: Certificate, student: User) -> None:
    Certificate.objects.update(name="")
    Enrolment.objects.all().delete()
    left = Certificate.objects.get()
    assert (validity_of(left), left.enrolment) == (Validity.VALID, None)
    page = Client().get(page_of(left)).content.decode()
    assert "The holder had their name erased" in page
    assert NAME not in page


def test_everybody_can_look_it_up_signed_out(certificate: Certificate) -> None:
    answer = Client().get(page_of(certificate), headers={"Accept-Language": "en"})
    page = answer.content.decode()
    assert answer.headers["X-Robots-Tag"] == "noindex"
    for text in (
        NAME,
        "This certificate is valid",
        "Sample",
        "1 of 2 steps passed by evidence, 1 exempt by an instructor",
        "b" * 64,
        "held-out loss 1.12, of the base model 2.50",
    ):
        assert text in page, text
    assert "Revoke" not in page
    assert "My secret set" not in page


def test_the_json_lets_anybody_compute_the_digest(certificate: Certificate) -> None:
    answer = Client().get(page_of(certificate, "certificate_json"))
    said = json.loads(answer.content)
    assert said["validity"] == "valid"
    assert json_digest(said["signed"]) == said["digest"] == certificate.digest


def test_an_unknown_one_is_said_to_be_unknown(db: None) -> None:
    nothing = "/certificates/00000000-0000-4000-8000-000000000000"
    page = Client().get(f"{nothing}/", headers={"Accept-Language": "en"})
    assert page.status_code == 404
    assert "There is no certificate at this address." in page.content.decode()
    assert Client().get(f"{nothing}.json").json()["code"] == "not_found"
    assert Client().get(f"{nothing}.pdf").status_code == 404


def test_an_altered_one_shows_nothing_of_what_it_says(certificate: Certificate) -> None:
    Certificate.objects.update(name="A forged name", facts={"odd": True})
    page = Client().get(page_of(certificate), headers={"Accept-Language": "en"}).content.decode()
    assert "This certificate does not hold" in page
    assert "A forged name" not in page
    assert Client().get(page_of(certificate, "certificate_pdf")).status_code == 302


def test_the_person_confirms_the_name(
    completed: Enrolment, student: User, client_of: Callable[[User], Client]
) -> None:
    client, address = client_of(student), reverse("courses:certificate_new", args=["sample"])
    course = client.get(reverse("courses:course_detail", args=["sample"])).content.decode()
    assert address in course
    assert 'value="aiko"' in client.get(address).content.decode()
    refused = client.post(address, {"name": "\u202e"})
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.content.decode()
    made = client.post(address, {"name": NAME}, headers={"Accept-Language": "ja"})
    certificate = Certificate.objects.get()
    assert made.url == page_of(certificate)
    assert certificate.language == "ja"
    assert client.get(address).url == page_of(certificate)
    course = client.get(reverse("courses:course_detail", args=["sample"])).content.decode()
    assert page_of(certificate) in course


def test_nobody_gets_one_for_an_unfinished_or_a_foreign_course(
    cohort: Cohort, student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    enrol(student, "sample")
    address = reverse("courses:certificate_new", args=["sample"])
    assert client_of(student).post(address, {"name": NAME}).status_code == 302
    assert client_of(other_student).post(address, {"name": NAME}).status_code == 404
    assert Client().post(address, {"name": NAME}).status_code == 302
    assert not Certificate.objects.exists()


def test_who_leads_the_class_revokes_with_a_reason(
    certificate: Certificate,
    leader: User,
    student: User,
    client_of: Callable[[User], Client],
) -> None:
    client = client_of(leader)
    assert "Revoke this certificate" in client.get(page_of(certificate)).content.decode()
    refused = client.post(page_of(certificate, "revoke"), {"reason": "no"})
    assert refused.status_code == 422
    assert 'value="no"' in refused.content.decode()
    client.post(page_of(certificate, "revoke"), {"reason": "Issued for a copied adapter"})
    revoked = Certificate.objects.get()
    assert validity_of(revoked) == Validity.REVOKED
    page = Client().get(page_of(certificate), headers={"Accept-Language": "en"}).content.decode()
    assert "This certificate was revoked on" in page
    assert "Issued for a copied adapter" in page
    event = AuditEvent.objects.get(kind="certificate_revoked")
    assert (event.actor, event.person, event.details["course"]) == (leader, student, "sample")
    assert "copied" not in json.dumps(event.details)
    told = Notification.objects.get(user=student)
    assert (told.kind, told.path) == ("certificate_revoked", page_of(certificate))
    with pytest.raises(ConflictError):
        revoke(leader, certificate, reason="Once more, please")
    assert Certificate.objects.get().revoked_reason == "Issued for a copied adapter"


def test_nobody_else_revokes(
    certificate: Certificate,
    cohort: Cohort,
    student: User,
    other_student: User,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    Membership.objects.create(cohort=cohort, user=other_student, role=Membership.Role.OBSERVER)
    reason = {"reason": "Because I can do it"}
    for person in (student, other_student):
        assert client_of(person).post(page_of(certificate, "revoke"), reason).status_code == 403, (
            person
        )
        with pytest.raises(ForbiddenError):
            revoke(person, certificate, reason=reason["reason"])
    assert Client().post(page_of(certificate, "revoke"), reason).status_code == 302
    assert Certificate.objects.get().revoked_at is None
    assert not AuditEvent.objects.exists()
    revoke(instructor, certificate, reason=reason["reason"])
    assert Certificate.objects.get().revoked_at is not None


def test_one_without_a_class_is_for_instructors_of_the_installation(
    certificate: Certificate, leader: User
) -> None:
    Enrolment.objects.update(cohort=None)
    with pytest.raises(ForbiddenError):
        revoke(leader, Certificate.objects.get(), reason="Not my class any more")


def test_the_api_lists_the_callers_own(
    certificate: Certificate, student: User, leader: User, client_of: Callable[[User], Client]
) -> None:
    mine = client_of(student).get("/api/me/certificates").json()
    assert [(row["id"], row["validity"], row["path"]) for row in mine] == [
        (str(certificate.pk), "valid", page_of(certificate))
    ]
    assert client_of(leader).get("/api/me/certificates").json() == []
    assert Client().get("/api/me/certificates").status_code == 401


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_pdf_is_one_sheet_and_always_the_same(certificate: Certificate, language: str) -> None:
    certificate.language = language
    shown = shown_certificate(certificate, language)
    first = drawing.certificate_pdf(shown, address="http://testserver/c/1/")
    assert first == drawing.certificate_pdf(shown, address="http://testserver/c/1/")
    assert first.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", first)) == 1
    assert b"/MediaBox [0 0 841.89 595.28]" in first
    assert 5_000 < len(first) < 100_000
    assert b"(http://testserver/c/1/)" in first


def test_the_pdf_has_every_letter_of_the_name(certificate: Certificate) -> None:
    """Each letter has its own glyph, and the map from glyphs back to letters holds it, so that it can be copied."""
    certificate.name = "髙橋 𠮷彦 Nguyễn Ánh 김철수"
    shown = shown_certificate_as(certificate)
    maps = _texts(drawing.certificate_pdf(shown, address="http://testserver/c/1/"))
    for letter in certificate.name.replace(" ", ""):
        code = letter.encode("utf-16-be").hex().upper()
        assert f"<{code}>" in maps, letter


def shown_certificate_as(certificate: Certificate) -> drawing.ShownCertificate:
    """As valid, whatever name a test gave it."""
    known = Certificate.objects.get(pk=certificate.pk)
    shown = shown_certificate(known, known.language)
    known.name = certificate.name
    return shown


def _texts(content: bytes) -> str:
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    found = []
    for stream in streams:
        try:
            found.append(zlib.decompress(stream).decode("latin-1"))
        except zlib.error:
            found.append(stream.decode("latin-1"))
    return "\n".join(found).upper()


def test_a_name_in_other_letters_is_printed_by_the_browser(
    completed: Enrolment,
) -> None:
    cache.clear()
    certificate, _is_new = issue(completed, name="علي", language="en")
    for _try in range(2):
        client = Client()
        answer = client.get(page_of(certificate, "certificate_pdf"))
        assert answer.url == page_of(certificate)
        page = client.get(answer.url, headers={"Accept-Language": "en"}).content.decode()
        assert "The font of the PDF has not all letters of this name." in page


def test_the_pdf_of_a_valid_one_is_for_everybody(certificate: Certificate, leader: User) -> None:
    cache.clear()
    answer = Client().get(page_of(certificate, "certificate_pdf"))
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    revoke(leader, certificate, reason="It was issued too early")
    assert Client().get(page_of(certificate, "certificate_pdf")).url == page_of(certificate)


@pytest.mark.parametrize(
    ("token", "colour"),
    [
        ("text", drawing.TEXT),
        ("text-muted", drawing.MUTED),
        ("border", drawing.BORDER),
        ("accent", drawing.ACCENT),
        ("tuned", drawing.TUNED),
    ],
)
def test_paper_has_the_colours_of_the_pages(token: str, colour: tuple[int, int, int]) -> None:
    tokens = (ROOT / "static/css/tokens.css").read_text(encoding="utf-8")
    found = re.search(rf"--color-{token}: light-dark\(oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)", tokens)
    assert found is not None
    assert _srgb(*map(float, found.groups())) == colour


def _srgb(lightness: float, chroma: float, hue: float) -> tuple[int, ...]:
    """OKLCH as CSS Color 4 turns it into sRGB."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3  # noqa: E741
    m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )
    return tuple(
        round(255 * min(1, max(0, 12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055)))
        for x in linear
    )
