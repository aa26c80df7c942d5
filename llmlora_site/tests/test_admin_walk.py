"""Every page of the administration, as the owner of the installation and as an instructor without permissions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from conftest import PROJECT_ROOT

pytestmark = pytest.mark.django_db
Walk = Callable[[User], Client]

OURS = {
    model._meta.label_lower: model_admin
    for model, model_admin in admin.site._registry.items()
    if PROJECT_ROOT.as_posix() in apps.get_app_config(model._meta.app_label).path
    and ".venv" not in apps.get_app_config(model._meta.app_label).path
}
SERVICES = {
    "training.trainingjob": {
        "hold_jobs",
        "release_jobs",
        "move_to_front",
        "move_to_back",
        "cancel_jobs",
    },
    "modelhub.worker": {"pause", "resume"},
}
"""What may be done with chosen rows: each of these calls a service."""
WRITTEN_BY_OWNER = {"accounts.cohort", "accounts.user", "datasets_app.hubrepository"}
WRITTEN_BY_INSTRUCTORS = {"datasets_app.hubrepository"}
DELETED_BY_OWNER = {"accounts.apitoken", "datasets_app.dataset", *WRITTEN_BY_OWNER}

every_model = pytest.mark.parametrize("label", sorted(OURS))


@pytest.fixture
def owner() -> User:
    return User.objects.create_superuser("owner")


def address(label: str, page: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{page}")


def permissions(model_admin: ModelAdmin, user: User) -> dict[str, bool]:  # type: ignore[type-arg]
    request = RequestFactory().get("/admin/")
    request.user = user
    return model_admin.get_model_perms(request)


@every_model
def test_it_can_be_searched_and_filtered(label: str, owner: User, client_of: Walk) -> None:
    assert OURS[label].search_fields
    assert OURS[label].list_filter
    client = client_of(owner)
    for query in ({}, {"q": "x"}, {"q": "aiko 3f"}):
        assert client.get(address(label, "changelist"), query).status_code == 200


@every_model
def test_facts_are_read_only_for_everybody(label: str, owner: User, instructor: User) -> None:
    of_owner = permissions(OURS[label], owner)
    assert of_owner["view"]
    writes = label in WRITTEN_BY_OWNER
    assert (of_owner["add"], of_owner["change"]) == (writes, writes)
    of_instructor = permissions(OURS[label], instructor)
    writes = label in WRITTEN_BY_INSTRUCTORS
    assert (of_instructor["add"], of_instructor["change"]) == (writes, writes)


@every_model
def test_actions_call_services(label: str, owner: User, instructor: User) -> None:
    request = RequestFactory().get("/admin/")
    for user in (owner, instructor):
        request.user = user
        found = set(OURS[label].get_actions(request)) - {"delete_selected"}
        assert found <= SERVICES.get(label, set())
    request.user = owner
    if "delete_selected" in OURS[label].get_actions(request):
        assert label in DELETED_BY_OWNER


@every_model
def test_an_instructor_reads_it_or_is_refused(
    label: str, instructor: User, client_of: Walk
) -> None:
    client = client_of(instructor)
    answer = client.get(address(label, "changelist"))
    expected = 200 if permissions(OURS[label], instructor)["view"] else 403
    assert answer.status_code == expected
    if label not in WRITTEN_BY_INSTRUCTORS:
        assert client.get(address(label, "add")).status_code == 403


def test_nobody_else_comes_in(student: User, client_of: Walk) -> None:
    assert client_of(student).get("/admin/").status_code in (302, 403)
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    assert not admin.site.has_permission(request)
