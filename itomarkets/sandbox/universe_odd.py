"""The few markets that fit no risk factor or say too little: a reader of venues must live with them."""

from .templates import Template, each, ladder, pick

# fmt: off
FACTORS: dict[str, tuple[str, tuple[Template, ...]]] = {
    "": (
        "Other",
        (
            each("ODDBOX", "{name}? ({when})", "Above 3 or below|Yes on both|TBD|Outcome C|— 2.5 to 2.9|???|Heads|Up or down|Other|Any|The usual|Even number", "month", 2),
            each("ODDTEST", "Test market {name}, {when}", "alpha|beta|do not trade|12345|lorem ipsum|staging", "month", 2),
            pick("ODDCOLOR", "Color of the mystery box, {when}", "Mystery box {name} {when}", "red|green|blue|other", "month", 2),
            ladder("ODDNUMBER", "Number of the month, {when}", "More than {x} ({when})?", (50, 10, 4, "{:.0f}"), "month", 3),
            each("ODDLANG", "{name} {when}？", "谁会赢|¿Quién gana?|Кто победит", "quarter", 2),
        ),
    ),
}
