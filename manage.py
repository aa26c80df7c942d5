#!/usr/bin/env python
"""Django's command line for llmlora, and the product's own: `manage.py up` is `llmlora up`."""

import os
import sys

# They choose the data folder before Django's settings are read, so they can not be management commands.
OWN_COMMANDS = {"up", "web", "worker", "health", "doctor", "demo"}


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in OWN_COMMANDS:
        from llmlora_site.cli import main as own_main

        own_main(prog_name="manage.py")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmlora_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
