"""Every case of every topic, each under a name of its own.

`python -m datasets_app.tests.hostile.corpus FOLDER` writes each into a file that is named by its number.
"""

from __future__ import annotations

import sys
from pathlib import Path

from datasets_app.tests.hostile import archives, csv, encodings, json, parquet
from datasets_app.tests.hostile.cases import Hostile

TOPICS: dict[str, list[Hostile]] = {
    "json": json.CASES,
    "csv": csv.CASES,
    "encodings": encodings.CASES,
    "archives": archives.CASES,
    "parquet": parquet.CASES,
}
CORPUS: dict[str, Hostile] = {
    f"{topic}: {case.name}": case for topic, cases in TOPICS.items() for case in cases
}


def write_corpus(folder: Path) -> None:
    for number, case in enumerate(CORPUS.values()):
        case.write(folder / str(number))


if __name__ == "__main__":
    write_corpus(Path(sys.argv[1]))
