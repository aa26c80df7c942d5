"""Names of the people of a class: their own, or made-up ones for a screen that everybody sees."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils.translation import get_language

from accounts.models import Cohort, Membership

COLOURS = (
    ("Amber", "琥珀色"),
    ("Blue", "青い"),
    ("Bronze", "銅色"),
    ("Copper", "あかがね"),
    ("Coral", "珊瑚色"),
    ("Crimson", "紅い"),
    ("Golden", "金色"),
    ("Green", "緑の"),
    ("Grey", "灰色の"),
    ("Indigo", "藍色"),
    ("Ivory", "象牙色"),
    ("Jade", "翡翠色"),
    ("Lilac", "ライラック色"),
    ("Olive", "オリーブ色"),
    ("Orange", "橙色"),
    ("Pink", "桃色"),
    ("Purple", "紫の"),
    ("Red", "赤い"),
    ("Silver", "銀色"),
    ("White", "白い"),
)
ANIMALS = (
    ("Badger", "アナグマ"),
    ("Bear", "クマ"),
    ("Crane", "ツル"),
    ("Deer", "シカ"),
    ("Dolphin", "イルカ"),
    ("Eagle", "ワシ"),
    ("Fox", "キツネ"),
    ("Frog", "カエル"),
    ("Hare", "ウサギ"),
    ("Heron", "サギ"),
    ("Lynx", "ヤマネコ"),
    ("Mole", "モグラ"),
    ("Otter", "カワウソ"),
    ("Owl", "フクロウ"),
    ("Panda", "パンダ"),
    ("Seal", "アザラシ"),
    ("Swan", "ハクチョウ"),
    ("Tiger", "トラ"),
    ("Whale", "クジラ"),
    ("Wolf", "オオカミ"),
)


def shown_names(cohort: Cohort, *, is_projected: bool = False) -> dict[int, str]:
    """The name of every member by the user's id; in two queries, and one more when somebody has no pseudonym yet.

    Args:
        is_projected: made-up names, which stay the same, in the reader's language.
    """
    members = list(Membership.objects.filter(cohort=cohort).select_related("user"))
    if not is_projected:
        return {member.user_id: str(member.user) for member in members}
    if any(member.pseudonym is None for member in members):
        _give_pseudonyms(cohort)
        members = list(Membership.objects.filter(cohort=cohort))
    return {member.user_id: pseudonym(member.pseudonym or 0) for member in members}


def pseudonym(number: int) -> str:
    """Two words; from the 401st on with a number behind them."""
    turn, place = divmod(number, len(COLOURS) * len(ANIMALS))
    # Neighbours differ in both words.
    colour, animal = COLOURS[place % 20], ANIMALS[(place + place // 20) % 20]
    language = 1 if (get_language() or "").startswith("ja") else 0
    words = [colour[language], animal[language]]
    name = "".join(words) if language else " ".join(words)
    return f"{name} {turn + 1}" if turn else name


@transaction.atomic
def _give_pseudonyms(cohort: Cohort) -> None:
    """In the order of random ids, so that a number says nothing of who joined when."""
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    last = Membership.objects.filter(cohort=cohort).aggregate(last=Max("pseudonym"))["last"]
    following = 0 if last is None else last + 1
    nameless = list(Membership.objects.filter(cohort=cohort, pseudonym=None).order_by("pk"))
    for number, member in enumerate(nameless, start=following):
        member.pseudonym = number
    Membership.objects.bulk_update(nameless, ["pseudonym"])
