"""What one student does in a lesson: sign in, look around, start a job with all the others, watch and browse."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from benchmarks.load.browser import Answer, Browser
from benchmarks.load.sockets import RebuiltJob, Socket, SocketCounts

THINK_SECONDS = (2.0, 6.0)
POLL_SECONDS = 5.0
CLOSE_SECONDS = 15.0
"""A socket that is still open so long after the end of its job will never tell it."""
SIGN_IN_TRIES = 20


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is the same for all.

    Attributes:
        arrival_seconds: over which the students sign in.
        start_seconds: over which they start their jobs, once all had the time to sign in.
        browse_seconds: for how long they browse from then on.
    """

    address: str
    password: str
    order: dict[str, Any]
    arrival_seconds: float
    start_seconds: float
    browse_seconds: float
    queue_page: str = ""


@dataclass(slots=True)
class Seat:
    """One student and what became of the job.

    Attributes:
        job_id: of the job that the server accepted, or "".
        problem: what kept the student from going on.
    """

    username: str
    dataset_id: str
    job_id: str = ""
    problem: str = ""
    rebuilt: RebuiltJob = field(default_factory=RebuiltJob)
    difference: str = ""
    silent_sockets: int = 0


class Student:
    """Sits at one seat."""

    def __init__(
        self,
        seat: Seat,
        lesson: Lesson,
        answers: list[Answer],
        counts: SocketCounts,
        dice: random.Random,
        epoch: float,
    ) -> None:
        self.seat = seat
        self._lesson = lesson
        self._counts = counts
        self._dice = dice
        self._epoch = epoch
        self._browser = Browser(lesson.address, answers, epoch)
        self._sockets: list[asyncio.Task[None]] = []

    async def attend(self) -> None:
        lesson = self._lesson
        await asyncio.sleep(self._dice.uniform(0, lesson.arrival_seconds))
        if not await self._sign_in():
            self.seat.problem = "could not sign in"
            return
        start_at = lesson.arrival_seconds + self._dice.uniform(0, lesson.start_seconds)
        await self._browse_until(start_at)
        await self._start_job()
        if self.seat.job_id:
            self._open_sockets()
        await self._browse_until(
            lesson.arrival_seconds + lesson.start_seconds + lesson.browse_seconds
        )

    async def finish(self, seconds: float) -> None:
        """Wait until the job is over, then hold what the events told against a fresh load."""
        await self._wait_for_end(time.perf_counter() + seconds)
        if self.seat.job_id:
            job = await self._browser.get("API: job", self._job_path())
            progress = await self._browser.get("API: curves", f"{self._job_path()}/progress")
            self.seat.difference = _difference(self.seat.rebuilt, job, progress)
        await self._browser.close()

    async def _wait_for_end(self, deadline: float) -> None:
        late: set[asyncio.Task[None]] = {task for task in self._sockets if not task.done()}
        is_over = False
        while late and not is_over and time.perf_counter() < deadline:
            _done, late = await asyncio.wait(late, timeout=POLL_SECONDS)
            is_over = bool(late) and await self._is_over()
        if late:
            _done, late = await asyncio.wait(late, timeout=CLOSE_SECONDS)
        self.seat.silent_sockets = len(late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _is_over(self) -> bool:
        job = await self._browser.get("API: job", self._job_path())
        return job is not None and job.is_success and job.json()["completed_at"] is not None

    async def _sign_in(self) -> bool:
        for _try in range(SIGN_IN_TRIES):
            html = await self._browser.open("sign-in page", "/accounts/login/")
            fields = {"login": self.seat.username, "password": self._lesson.password}
            status = await self._browser.submit("sign in", "/accounts/login/", html, fields)
            if status == httpx2.codes.FOUND:
                await self._browser.open("home", "/")
                return True
            await self._think()
        return False

    async def _start_job(self) -> None:
        await self._browser.open("new job", f"/training/new/?dataset={self.seat.dataset_id}")
        order = self._lesson.order | {"dataset_id": self.seat.dataset_id}
        response = await self._browser.post_json("API: start job", "/api/training/jobs", order)
        if response is None or response.status_code != httpx2.codes.CREATED:
            self.seat.problem = "the job was not accepted"
            return
        self.seat.job_id = response.json()["id"]
        await self._browser.open("job", f"/training/{self.seat.job_id}/")

    def _open_sockets(self) -> None:
        for job in (None, self.seat.rebuilt):
            socket = Socket(
                self._lesson.address, self.seat.job_id, self._browser.cookies, self._counts, job
            )
            self._sockets.append(asyncio.create_task(socket.follow()))

    async def _browse_until(self, end: float) -> None:
        while time.perf_counter() - self._epoch < end:
            page, path = self._dice.choice(self._places())
            if page.startswith("API"):
                await self._browser.get(page, path)
            else:
                await self._browser.open(page, path)
            await self._think()

    def _places(self) -> list[tuple[str, str]]:
        places = [
            ("home", "/"),
            ("job list", "/training/"),
            ("dataset", f"/datasets/{self.seat.dataset_id}/"),
            ("dataset list", "/datasets/"),
            ("API: jobs", "/api/training/jobs"),
        ]
        if self._lesson.queue_page:
            places.append(("queue", self._lesson.queue_page))
        if self.seat.job_id:
            places += [
                # The page that is open most of the time.
                *[("job", f"/training/{self.seat.job_id}/")] * 3,
                ("API: job", self._job_path()),
                ("API: curves", f"{self._job_path()}/progress"),
            ]
        return places

    def _job_path(self) -> str:
        return f"/api/training/jobs/{self.seat.job_id}"

    async def _think(self) -> None:
        await asyncio.sleep(self._dice.uniform(*THINK_SECONDS))


def _difference(
    rebuilt: RebuiltJob, job: httpx2.Response | None, progress: httpx2.Response | None
) -> str:
    if job is None or progress is None or not (job.is_success and progress.is_success):
        return "the fresh load failed"
    return rebuilt.difference(job.json(), progress.json()["metrics"])
