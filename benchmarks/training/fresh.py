"""One job as a script over TRL does it, in a process of its own: `python -m benchmarks.training.fresh JOB`.

Checkpointing is off and nothing is logged or saved on the way: TRL's fast settings. Prints a JSON line when the first
step is done and one at the end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class _FirstStep(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 1:
            _say(event="step")


def main(job: dict[str, Any]) -> None:
    lines = Path(job["records"]).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    dataset = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": record["instruction"]}],
                "completion": [{"role": "assistant", "content": record["output"]}],
            }
            for record in records
        ]
    )
    lora, training = job["lora"], job["training"]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        train_dataset=dataset,
        peft_config=LoraConfig(
            r=lora["r"],
            lora_alpha=lora["alpha"],
            target_modules=lora["target_modules"],
            task_type="CAUSAL_LM",
        ),
        callbacks=[_FirstStep()],
        args=SFTConfig(
            output_dir=job["output"],
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            max_length=training["max_length"],
            per_device_train_batch_size=training["batch_size"],
            num_train_epochs=training["num_epochs"],
            learning_rate=training["learning_rate"],
            lr_scheduler_type=training["lr_scheduler"],
            warmup_steps=training["warmup_ratio"],  # below 1 it is the share
            seed=training["seed"],
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
    )
    trainer.train()
    trainer.save_model()
    _say(event="finished", loss=trainer.state.log_history[-1].get("train_loss"))


def _say(**line: Any) -> None:
    sys.stdout.write("\n" + json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
