from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from itomarkets.lib import clock
from itomarkets.lib.venues import Venue
from trading.models import TradingSwitch
from trading.switch import set_switch

STATES = {
    "on": TradingSwitch.State.HALTED,
    "reducing": TradingSwitch.State.REDUCING,
    "off": TradingSwitch.State.ACTIVE,
}
LONGEST_REASON = 200


class Command(BaseCommand):
    help = (
        "Stop new orders for everybody, one exchange or one person: 'on' halts, 'reducing' allows sales only, 'off' "
        "lets go. Cancels always pass."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("state", choices=sorted(STATES))
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--user", help="username; everybody if left out")
        scope.add_argument("--venue", default="", choices=Venue.values, help="one exchange only")
        parser.add_argument("--reason", default="", help="shown to whom it stops")

    def handle(self, *args: Any, **options: Any) -> None:
        reason = options["reason"]
        if len(reason) > LONGEST_REASON:
            raise CommandError(
                f"--reason has {len(reason)} characters; expected at most {LONGEST_REASON}. Nothing was changed."
            )
        user = None
        if options["user"] is not None:
            user = User.objects.filter(username=options["user"]).first()
            if user is None:
                raise CommandError(f"There is no user {options['user']!r}; nothing was changed.")
        switch = set_switch(
            user=user,
            venue=options["venue"],
            state=STATES[options["state"]],
            reason=reason,
            changed_by=None,
            now=clock.now(),
        )
        self.stdout.write(f"{switch}.")
