from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from itomarkets.records.audit import Head, verify_chain


def head(text: str) -> Head:
    """Read a head as this command prints it."""
    try:
        return Head.from_text(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


class Command(BaseCommand):
    help = "Walk the audit trail and name the first entry that was changed, removed or moved."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            type=head,
            metavar="SEQ:HASH",
            help="a head that was noted before, as this command prints it: a trail that was cut off has it no more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = verify_chain(noted=options["head"])
        if report.broken_at is not None:
            raise CommandError(
                f"The audit trail is broken at entry {report.broken_at}: it, or the one before it, is not as written."
            )
        if report.lacks is not None:
            raise CommandError(
                f"The audit trail no longer has {report.lacks}, which was noted before: its end was cut off, and "
                f"perhaps written anew. It ends at {report.head}."
            )
        ends = f" It ends at {report.head}" if report.head else ""
        self.stdout.write(f"{report.entries} audit entries, unbroken.{ends}")
