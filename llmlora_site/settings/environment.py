"""Where settings come from: the environment, and the folder with everything of this installation."""

from __future__ import annotations

from pathlib import Path

import environ

from llmlora_site.home import Home

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VERSION = "0.1.0"
env = environ.Env()
LLMLORA_HOME = Home.from_environment()
DEBUG = env.bool("LLMLORA_DEBUG", default=False)
