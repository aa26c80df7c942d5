"""llama.cpp's server in a process of its own: `python -m benchmarks.chatting.llama_server SETTINGS`.

Writes one JSON line with its address when the model is loaded, and ends when its stdin does.
"""

from __future__ import annotations

import json
import os
import sys

import xllamacpp

THREADS = 2
CONTEXT_TOKENS = 192
"""Of each slot: prompt and answer, and room for the next power of two."""


def main(settings: dict[str, object]) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    slots = int(str(settings["slots"]))
    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.n_parallel = slots
    params.n_ctx = slots * CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    params.cont_batching = True
    params.cache_ram_mib = 0
    params.port = 0
    params.lora_init_without_apply = True
    params.lora_adapters = [
        xllamacpp.CommonAdapterLoraInfo(path, 1.0)
        for path in settings["adapters"]  # type: ignore[attr-defined]
    ]
    server = xllamacpp.Server(params)
    answers.write(json.dumps({"result": server.listening_address}) + "\n")
    answers.flush()
    sys.stdin.read()
    # Its threads do not end by themselves.
    os._exit(0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
