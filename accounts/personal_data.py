"""What accounts keep about a person."""

from __future__ import annotations

from collections.abc import Iterator

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import default_storage
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import (
    ApiToken,
    AuditEvent,
    DataRequest,
    IdempotencyKey,
    JoinRequest,
    Membership,
    Notification,
    RosterEntry,
    User,
)
from accounts.privacy.access import end_sessions, end_tokens, sessions_of
from common.personal_data import Item, PersonalData, rows

CLASSROOM = "/admin/classroom/"


# --- the account ------------------------------------------------------------------------------------


def _collect_profile(user: User) -> Iterator[Item]:
    yield "account/profile.json", rows(User.objects.filter(pk=user.pk), without=["password"])
    yield "account/email_addresses.json", rows(EmailAddress.objects.filter(user=user))
    yield "account/directory.json", rows(SocialAccount.objects.filter(user=user))


def _erase_profile(user: User) -> None:
    """The row itself goes last of all, when nothing refers to it any more."""
    EmailAddress.objects.filter(user=user).delete()
    SocialAccount.objects.filter(user=user).delete()
    of_person = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk)
    )
    of_person.delete()
    LogEntry.objects.filter(user=user).delete()


def _collect_sessions(user: User) -> Iterator[Item]:
    entries = [{"signed_in_until": session.expire_date} for session in sessions_of(user)]
    yield "account/sessions.json", entries


def _collect_tokens(user: User) -> Iterator[Item]:
    yield "account/api_tokens.json", rows(user.api_tokens.all(), without=["digest"])
    yield (
        "account/repeated_requests.json",
        rows(IdempotencyKey.objects.filter(user=user), without=["key"]),
    )


# --- what they are told -----------------------------------------------------------------------------


def _collect_notifications(user: User) -> Iterator[Item]:
    yield "account/notifications.json", rows(Notification.objects.filter(user=user))


def _erase_notifications(user: User) -> None:
    Notification.objects.filter(user=user).delete()
    names = {name for name in (user.username, user.display_name, user.email) if name}
    others = Notification.objects.only("pk", "params", "path").iterator()
    told = [notification.pk for notification in others if _names(notification, user, names)]
    Notification.objects.filter(pk__in=told).delete()


def _names(notification: Notification, user: User, names: set[str]) -> bool:
    """Whether somebody else was told of this person."""
    values = notification.params.values()
    if any(isinstance(value, str) and value in names for value in values):
        return True
    path = notification.path.partition("?")[0]
    return path.startswith(CLASSROOM) and str(user.pk) in path.split("/")


# --- classes ----------------------------------------------------------------------------------------


def _expected(user: User) -> Q:
    """Entries of rosters that mean the person; an address that nobody verified may be somebody else's."""
    own = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    addresses = [address.lower() for address in own]
    return Q(claimed_by=user) | Q(username=user.username) | Q(email__in=addresses)


def _collect_classes(user: User) -> Iterator[Item]:
    memberships = Membership.objects.filter(user=user).select_related("cohort")
    yield (
        "account/classes.json",
        [
            {
                "class": member.cohort.name,
                "role": member.role,
                "joined_by": member.source,
                "joined_at": member.created_at,
            }
            for member in memberships
        ],
    )
    yield "account/requests_to_join.json", rows(JoinRequest.objects.filter(user=user))
    yield "account/rosters.json", rows(RosterEntry.objects.filter(_expected(user)))


def _erase_classes(user: User) -> None:
    RosterEntry.objects.filter(_expected(user)).delete()
    JoinRequest.objects.filter(user=user).delete()
    Membership.objects.filter(user=user).delete()


# --- the log ----------------------------------------------------------------------------------------


def _collect_log(user: User) -> Iterator[Item]:
    """Who else took part is their matter."""
    concerned = AuditEvent.objects.filter(Q(person=user) | Q(actor=user))
    yield "account/log.json", rows(concerned, without=["actor_id", "person_id"])


def _erase_log(user: User) -> None:
    AuditEvent.objects.filter(person=user).update(person=None, details={})
    AuditEvent.objects.filter(actor=user).update(actor=None)


# --- requests about data ----------------------------------------------------------------------------


def _collect_requests(user: User) -> Iterator[Item]:
    asked = DataRequest.objects.filter(person=user)
    yield "account/requests_about_data.json", rows(asked, without=["requested_by_id", "path"])


def _erase_requests(user: User) -> None:
    exports = DataRequest.objects.filter(person=user, kind=DataRequest.Kind.EXPORT)
    for path in exports.exclude(path="").values_list("path", flat=True):
        default_storage.delete(path)
    exports.delete()
    # What others are asked for stays, without who asked.
    DataRequest.objects.filter(requested_by=user).update(requested_by=None)


PARTS = (
    PersonalData(
        app="accounts",
        name="profile",
        describe=_(
            "Your account: user name, display name, email addresses, language and theme, and who you are in the "
            "school's directory."
        ),
        models=(User, EmailAddress, SocialAccount, LogEntry),
        collect=_collect_profile,
        erase=_erase_profile,
    ),
    PersonalData(
        app="accounts",
        name="sessions",
        describe=_("Browsers in which you are signed in."),
        models=(),
        collect=_collect_sessions,
        erase=end_sessions,
    ),
    PersonalData(
        app="accounts",
        name="tokens",
        describe=_(
            "Your API tokens, without their secret text, and which requests of programs came twice."
        ),
        models=(ApiToken, IdempotencyKey),
        collect=_collect_tokens,
        erase=end_tokens,
    ),
    PersonalData(
        app="accounts",
        name="notifications",
        describe=_("What you were told here, and what others were told about you."),
        models=(Notification,),
        collect=_collect_notifications,
        erase=_erase_notifications,
    ),
    PersonalData(
        app="accounts",
        name="classes",
        describe=_("The classes that you are in, and entries of rosters that name you."),
        models=(Membership, JoinRequest, RosterEntry),
        collect=_collect_classes,
        erase=_erase_classes,
    ),
    PersonalData(
        app="accounts",
        name="log",
        describe=_(
            "The log of what people who lead a class did there. After an erasure its entries stay, without you."
        ),
        models=(AuditEvent,),
        collect=_collect_log,
        erase=_erase_log,
    ),
    PersonalData(
        app="accounts",
        name="requests",
        describe=_(
            "Your requests to download or erase your data. After an erasure only its date and state stay."
        ),
        models=(DataRequest,),
        collect=_collect_requests,
        erase=_erase_requests,
    ),
)
