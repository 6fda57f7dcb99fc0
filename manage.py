#!/usr/bin/env python
"""Django's command line for Itô Markets."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itomarkets.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed in this Python. Run `make up`, or make a virtual "
            "environment and `pip install -r requirements.txt`, then try again."
        ) from error
    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        from itomarkets.lib.troubles import sentence_about

        sentence = None if "--traceback" in sys.argv else sentence_about(error)
        if sentence is None:
            raise
        raise SystemExit(sentence) from error


if __name__ == "__main__":
    main()
