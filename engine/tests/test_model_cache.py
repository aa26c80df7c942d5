from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.catalog import SMOLLM2
from engine.durable import folder_written_whole
from engine.errors import DiskFullError, UnsupportedModelError
from engine.models import cache
from engine.models.bundled import bundled_weights
from engine.tests.factories import make_tiny_base_model

TORCH_FREE = (
    "engine", "engine.config", "engine.errors", "engine.protocol", "engine.catalog", "engine.presets",
    "engine.client", "engine.process", "engine.signals", "engine.durable", "engine.data",
    "engine.data.records", "engine.models", "engine.models.cache", "engine.models.bundled",
    "engine.models.prepare", "engine.tests.factories",
)  # fmt: skip


def test_modules_of_the_web_side_never_load_the_heavy_libraries() -> None:
    code = (
        f"import sys; [__import__(name) for name in {TORCH_FREE}]; "
        "heavy = {'torch', 'transformers', 'peft', 'datasets', 'gguf'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def make_prepared(cache_dir: Path) -> Path:
    folder = cache.prepared_dir(cache_dir, SMOLLM2)
    folder.mkdir(parents=True)
    for name in cache.REQUIRED_FILES:
        (folder / name).write_text("x")
    manifest = {
        "format_version": cache.FORMAT_VERSION,
        "source_sha256": SMOLLM2.sha256,
        "files": dict.fromkeys(cache.REQUIRED_FILES, 1),
    }
    (folder / cache.MANIFEST).write_text(json.dumps(manifest))
    return folder


def test_a_complete_folder_is_found(tmp_path: Path) -> None:
    assert cache.find_prepared(tmp_path, SMOLLM2) is None
    folder = make_prepared(tmp_path)
    found = cache.find_prepared(tmp_path, SMOLLM2)
    assert found is not None
    assert (found.name, found.path, found.digest) == (SMOLLM2.name, str(folder), SMOLLM2.sha256)


@pytest.mark.parametrize("damage", ["missing", "short", "no manifest", "other version", "garbage"])
def test_an_incomplete_folder_does_not_count(tmp_path: Path, damage: str) -> None:
    folder = make_prepared(tmp_path)
    manifest = folder / cache.MANIFEST
    if damage == "missing":
        (folder / "model.safetensors").unlink()
    elif damage == "short":
        (folder / "model.safetensors").write_text("")
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "other version":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format_version": 0}))
    else:
        manifest.write_text("[")
    assert cache.find_prepared(tmp_path, SMOLLM2) is None


def test_a_local_folder_is_a_base_model(tmp_path: Path) -> None:
    made = make_tiny_base_model(tmp_path / "base")
    assert cache.local_base_model("tiny-llama", tmp_path / "base") == made
    (tmp_path / "base" / "tokenizer.json").unlink()
    with pytest.raises(UnsupportedModelError) as failure:
        cache.local_base_model("tiny-llama", tmp_path / "base")
    assert failure.value.params["missing"] == ["tokenizer.json"]


def test_a_missing_wheel_is_told() -> None:
    spec = dataclasses.replace(SMOLLM2, package="no_such_package")
    with pytest.raises(UnsupportedModelError):
        bundled_weights(spec)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"

    def fill_the_disk() -> None:
        with folder_written_whole(target) as folder:
            (folder / "half").touch()
            raise OSError(28, "No space left on device")

    with pytest.raises(DiskFullError):
        fill_the_disk()
    assert list(tmp_path.iterdir()) == []
    with folder_written_whole(target) as folder:
        (folder / "one").touch()
        assert not target.exists()
    with folder_written_whole(target) as folder:
        (folder / "two").touch()
    assert [path.name for path in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_the_slower_of_two_writers_keeps_the_other_s_good_folder(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with folder_written_whole(target, keep_existing=lambda: True) as folder:
        (folder / "slow").touch()
        with folder_written_whole(target) as other:
            (other / "fast").touch()
    assert [path.name for path in target.iterdir()] == ["fast"]
    assert list(tmp_path.iterdir()) == [target]
