"""The two corpora of the training benchmark, made by rule: the same records on every machine, nothing downloaded.

`english` is a lesson as a teacher writes it: short questions with short answers behind one system prompt, so that every
example begins with the same tokens. `japanese` shares nothing: each text begins with another word, lengths differ
widely, and no chat template is put around it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

TRAINED = 200
HELD_OUT = 24
DATASET_TYPES = {"english": "chat", "japanese": "completion"}
"""The shape of each corpus's records, as engine.data.records names it."""

SYSTEM = (
    "You are the guide of our school garden. Answer in a friendly way, keep it short, "
    "and say so when you do not know."
)

_PLANTS = (
    "fern", "moss", "clover", "poppy", "thistle", "ivy", "lupin", "sorrel", "yarrow", "violet",
    "teasel", "bramble", "mint", "sage", "quince tree", "medlar", "barley", "flax", "rhubarb",
    "chicory", "sweet pea", "sunflower", "old pear tree", "horseradish", "valerian", "borage",
    "nettle patch", "pumpkin",
)  # fmt: skip

_QUESTIONS = (
    ("Where does the {plant} grow?",
     "You find the {plant} in row {number}, close to the {place}."),
    ("Who looks after the {plant} this year?",
     "Class {number} does. They come by on {day} afternoon and write down what they see."),
    ("How often should I water the {plant}, and how much?",
     "Every {number} days in summer, about half a can each time."),
    ("What do we use the {plant} for in the school kitchen?",
     "Not much before May. Later the kitchen asks for {number} handfuls, and we cut them on {day}."),
    ("Is the {plant} poisonous? My little brother is coming along.",
     "No, but wash your hands afterwards."),
    ("When was the {plant} planted?",
     "It came {number} years ago, on a rainy {day}, as a gift from the people behind the {place}."),
    ("The {plant} has brown spots on its leaves. What should we do about it?",
     "Cut off the leaves with spots and take them to the {place}, not to the compost."),
    ("Can I take a cutting of the {plant} home?",
     "Yes, one for each visitor. Ask at the {place} for a pot; we keep {number} of them ready."),
)  # fmt: skip

_PLACES = ("old pump", "tool shed", "south wall", "frog pond", "bee house", "gate")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_REMARKS = (
    "Please stay on the path.",
    "The sign beside it tells more.",
    "In a dry spring it may look a little sad, and that is all right.",
    "Last year it suffered from late frost, so we now cover it with straw until the first warm week.",
    "Ask the older pupils if you want to help.",
    "Bees love it.",
)

_TOPICS = (
    "富士山", "俳句", "和紙", "味噌汁", "新幹線", "盆踊り", "書道", "抹茶", "相撲", "折り紙", "温泉", "茶室",
    "獅子舞", "落語", "桜", "祭り", "将棋", "浮世絵", "三味線", "風呂敷", "七夕", "雪国", "里山", "漆器",
    "藍染め", "田植え", "銭湯", "豆腐",
)  # fmt: skip

_TASKS = (
    ("{topic}とは何か、小学生にもわかるように説明してください。",
     "{topic}は、昔から人々の暮らしのそばにあるものです。"),
    ("「{topic}」を題にして短い文を書いてください。", "朝の光の中で、{topic}のことをふと思い出した。"),
    ("{number}人の観光客に{topic}を案内する計画を立ててください。",
     "まず{number}人を二つの組に分け、{topic}の歴史を十五分ほど話します。"),
    ("次の語を使って手紙を書いてください。{topic}、友人、{season}。",
     "お元気ですか。{season}になり、こちらでは{topic}の話題で持ちきりです。"),
    ("なぜ{topic}は海外でも人気があるのですか。", "手間を惜しまない心が、言葉を越えて伝わるからです。"),
    ("{season}の{topic}について、良い点と注意点を挙げてください。",
     "良い点は静かに楽しめること、注意点は混み合う時間を避けることです。"),
    ("以下の文を丁寧にしてください。{topic}を見に行く。", "{topic}を拝見しにまいります。"),
    ("{topic}に関するクイズを一問作ってください。", "問題です。{topic}が初めて記録に現れたのはいつでしょうか。"),
)  # fmt: skip

_SEASONS = ("春", "夏", "秋", "冬")
_SENTENCES = (
    "地域によって形や呼び名が少しずつ違います。",
    "準備には時間がかかりますが、その時間も楽しみの一つです。",
    "近年は若い人たちが新しい工夫を加え、動画で紹介することも増えました。",
    "詳しく知りたいときは、図書館か郷土資料館をたずねるとよいでしょう。",
    "ただし、無理をせず、まわりの人に声をかけながら進めてください。",
    "おばあさんから孫へと、口伝えで残されてきた知恵もたくさんあります。",
)
_WISHES = (
    "急いでいます。",
    "学校の宿題です。",
    "できれば三文以内で。",
    "友だちに話したいので。",
    "",
)


def records(corpus: str) -> list[dict[str, object]]:
    """TRAINED examples to learn from and HELD_OUT to measure, in this order."""
    make = {"english": _english, "japanese": _japanese}[corpus]
    found = list(make(random.Random(corpus)))
    random.Random(corpus).shuffle(found)
    return found[: TRAINED + HELD_OUT]


def _english(draw: random.Random) -> Iterator[dict[str, object]]:
    for plant in _PLANTS:
        for question, answer in _QUESTIONS:
            places = {"place": draw.choice(_PLACES), "day": draw.choice(_DAYS)}
            filled = answer.format(plant=plant, number=draw.randint(2, 9), **places)
            remarks = draw.sample(_REMARKS, draw.choice((0, 1, 1, 2, 4)))
            yield {
                "messages": [
                    {"role": "system", "content": SYSTEM},
                    {"role": "user", "content": question.format(plant=plant)},
                    {"role": "assistant", "content": " ".join([filled, *remarks])},
                ]
            }


def _japanese(draw: random.Random) -> Iterator[dict[str, object]]:
    for topic in _TOPICS:
        for task, answer in _TASKS:
            words = {
                "topic": topic,
                "number": draw.randint(3, 40),
                "season": draw.choice(_SEASONS),
            }
            sentences = draw.sample(_SENTENCES, draw.choice((0, 0, 1, 1, 2)))
            yield {
                "prompt": task.format(**words) + draw.choice(_WISHES) + "\n",
                "completion": "".join([answer.format(**words), *sentences]),
            }
