"""A sweep as a student meets it: vary a setting of a job, watch, see the best, compare."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.test_main_flow import (
    JOB_LIMIT_MILLISECONDS,
    sign_up,
    start_job,
    upload_dataset,
    wait_until_trained,
)

pytestmark = pytest.mark.e2e

SWEEP_ADDRESS = re.compile(r"/training/sweeps/[0-9a-f-]{36}/$")
RECORDS = [
    {"instruction": f"Who waters bed {number}?", "output": f"Class {number}B."}
    for number in range(1, 5)
]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_student_varies_a_setting_and_compares(
    visit: Callable[[str], Visitor], tmp_path: Path, language: str
) -> None:
    file = tmp_path / "garden.jsonl"
    file.write_text("\n".join(json.dumps(record) for record in RECORDS))
    visitor = visit(language)
    page = visitor.page
    sign_up(page, f"sweeper-{language}")
    upload_dataset(page, file, "Garden")
    start_job(page, "Garden", epochs=4)
    wait_until_trained(page)
    job_id = page.url.rstrip("/").rpartition("/")[2]

    page.goto(f"/training/sweeps/new/?from={job_id}")
    page.fill("[name=values_1]", "0.001, 9")
    expect(page.locator("#sweep-plan .plan-faults")).to_contain_text("9")
    page.fill("[name=values_1]", "0.0001、0.005")
    expect(page.locator("#sweep-plan tbody tr")).to_have_count(2)
    visitor.check_accessible()
    page.locator("#start-button").dblclick()
    page.wait_for_url(SWEEP_ADDRESS)
    visitor.check_accessible()

    # The poll ends with the last job, and takes its button along.
    expect(page.locator("#sweep-live")).not_to_have_attribute(
        "hx-trigger", re.compile("every"), timeout=JOB_LIMIT_MILLISECONDS
    )
    expect(page.locator("#cancel-button")).to_have_count(0)
    expect(page.locator("#plot-sweep .plot__marker")).to_have_count(2)
    expect(page.locator("tr.is-best")).to_have_count(1)
    visitor.check_accessible()

    page.locator("#compare-link").click()
    page.wait_for_url("**/training/compare/?**")
    expect(page.locator("#plot-compared-training .plot__line")).to_have_count(4)
    expect(page.locator("main")).to_contain_text("0.005")
    visitor.check_accessible()
    page.locator("#x-time").click()
    expect(page.locator("#x-time")).to_have_attribute("aria-current", "true")
