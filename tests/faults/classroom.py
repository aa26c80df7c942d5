"""Students who start jobs over HTTP, as any client does."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from tests.faults.stack import Stack, wait_until

SERVER_SECONDS = 60.0
"""A killed server is up again within this time, on a busy machine as well."""
PASSWORD = "correct-horse-battery"
RECORDS = [
    {"instruction": f"Who waters bed {number}?", "output": f"Class {number}B."}
    for number in range(1, 13)
]
TRAINING = {
    "num_epochs": 20,
    "batch_size": 2,
    "max_length": 64,
    "learning_rate": 1e-3,
    "save_steps": 10,
    "eval_fraction": 0.2,
}
"""A hundred steps of a few milliseconds, a checkpoint after every tenth."""


@dataclass
class Student:
    """One person with a dataset and a token."""

    name: str
    token: str
    dataset_id: str = ""


class Classroom:
    """The clients' side: what they sent, what they were promised, and every answer that was an error of ours."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.accepted: list[str] = []
        self.server_errors: list[str] = []
        self.students = [self._enrol(f"student{number}") for number in range(1, 5)]

    def _enrol(self, name: str) -> Student:
        from accounts.models import User

        User.objects.create_user(name, f"{name}@example.org", PASSWORD)
        status, body = self.call(
            "POST", "/api/auth/token", {"username": name, "password": PASSWORD}
        )
        assert status == 201, body
        student = Student(name, body["token"])
        status, body = self.call(
            "POST", "/api/datasets", {"name": "Garden", "data": RECORDS}, student
        )
        assert status == 201, body
        student.dataset_id = body["id"]
        return student

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        student: Student | None = None,
        *,
        timeout: float = 30,
        **headers: str,
    ) -> tuple[int, Any]:
        """Status and JSON of one request; 0 when the server was not there."""
        connection = HTTPConnection("127.0.0.1", self.stack.port, timeout=timeout)
        headers = {"Content-Type": "application/json", "Host": "localhost"} | headers
        if student is not None:
            headers["Authorization"] = f"Bearer {student.token}"
        try:
            connection.request(
                method, path, json.dumps(body) if body is not None else None, headers
            )
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            return 0, None
        finally:
            connection.close()
        if answer.status >= 500 and answer.status not in (503, 507):
            self.server_errors.append(f"{method} {path}: {answer.status}")
        return answer.status, json.loads(content) if content else None

    def start_job(self, student: Student, **training: Any) -> str:
        """Start a job, trying again with the same key while the server is away; returns its id."""
        key = str(uuid.uuid4())
        order = {
            "name": "Garden",
            "model_name": "tiny",
            "dataset_id": student.dataset_id,
            "lora_config": {"r": 2, "alpha": 4},
            "training_config": TRAINING | training,
        }
        taken: list[str] = []

        def is_taken() -> bool:
            status, body = self.call(
                "POST", "/api/training/jobs", order, student, **{"Idempotency-Key": key}
            )
            assert status in (0, 201, 503), (status, body)
            if status == 201:
                taken.append(str(body["id"]))
            return status == 201

        wait_until(is_taken, SERVER_SECONDS, "the server is back and takes the order")
        [job_id] = taken
        if job_id not in self.accepted:
            self.accepted.append(job_id)
        return job_id
