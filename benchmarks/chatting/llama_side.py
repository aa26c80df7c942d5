"""llama.cpp's server as a side of the chat benchmark: students as clients that read their stream. Torch-free."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.chatting.plan import STUDENTS, Prompt, Run, Setup
from benchmarks.chatting.processes import Process

ANSWER_SECONDS = 600


class LlamaServer:
    """One running server with as many slots as students ask.

    Args:
        format: of the base model's weights.
        folder: for its log.
    """

    def __init__(self, setup: Setup, format: str, slots: int, folder: Path) -> None:
        settings = {
            "model": str(Path(setup.base_gguf) / f"{format}.gguf"),
            "slots": slots,
            "adapters": [str(setup.adapter_gguf(student)) for student in range(STUDENTS)],
        }
        self._process = Process(
            ["benchmarks.chatting.llama_server", json.dumps(settings)],
            "plain",
            folder / "llama.log",
        )
        try:
            self._address = self._process.read("start")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.close()

    def run(self, prompts: list[dict[str, Any]], tokens: int, *, is_shared: bool = False) -> Run:
        """All students ask at once, each for an adapter of its own or all for the first."""
        run = Run([[] for _ in prompts], [0] * len(prompts), [""] * len(prompts), 0)
        self._ask(Prompt(**prompts[0]), 0, 2, lambda piece: None)
        failures: list[Exception] = []
        started = time.perf_counter()

        def ask(student: int) -> None:
            def record(piece: dict[str, Any]) -> None:
                if piece.get("content"):
                    run.times[student].append(time.perf_counter() - started)
                    run.texts[student] += piece["content"]
                if piece.get("stop"):
                    run.tokens[student] = piece["tokens_predicted"]

            try:
                adapter = 0 if is_shared else student
                self._ask(Prompt(**prompts[student]), adapter, tokens, record)
            except Exception as failure:  # noqa: BLE001 - raised again when all threads have ended
                failures.append(failure)

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return Run(run.times, run.tokens, run.texts, self._held_bytes())

    def _ask(self, prompt: Prompt, adapter: int, tokens: int, record: Any) -> None:
        body = {
            "prompt": prompt.token_ids,
            "n_predict": tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
            "stream": True,
            "lora": [{"id": adapter, "scale": 1.0}],
        }
        request = urllib.request.Request(
            f"{self._address}/completion",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as lines:
            for line in lines:
                if line.startswith(b"data: {"):
                    record(json.loads(line[6:]))

    def _held_bytes(self) -> int:
        """Memory of the server, of pages that it shares its part."""
        text = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
