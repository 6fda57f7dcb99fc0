"""Whose gain YES is: levels, happenings, parties, incumbents and escalation, one judge each.

Every judge takes the factor, the market's line and the reading, and returns a direction with its reason.
"""

import re
from functools import lru_cache

from categorization import grammar
from categorization.knowledge import knowledge_lines
from categorization.knowledge.words import Gazetteer, words_of
from categorization.reading import Reading

Verdict = tuple[int, str]

_no_change = re.compile(r"\b(?:no change|unchanged|holds?|maintains?|hold steady|no decision|dissent\w*|keep rates)\b")
_RATES = frozenset({"fed-policy-rate", "ecb-policy-rate", "boe-policy-rate", "boj-policy-rate", "other-central-banks"})
# Numbers that are measured, not decided: "increase by 2.5%" names one bucket of a ladder.
_MEASURED = frozenset({"us-cpi", "world-inflation", "us-gdp", "world-growth"})
_by_a_figure = re.compile(r"\b(?:increase[sd]?|rises?|grows?|decrease[sd]?|falls?) by -?\d[\d.]*\s?%(?! or\b)")
_first_dollar = re.compile(r"\b(?:eur|gbp|aud|nzd)/usd\b|\b(?:eur|gbp|aud|nzd)usd\b")
_weak_labor = re.compile(r"\bunemploy\w*|\bu-?3\b|\bjobless\b|\binitial claims\b|\bue\b|\blayoffs?\b")
_count = re.compile(r"\bwill \d+\b|\bhow many\b|\b\d+ times\b|\bexactly\b|— \d+$|: \d+$")
_contest_inside = re.compile(
    r"\bnominat\w*|\bnominees?\b(?! win)|\bprimary\b|\bprimaries\b|\bdelegates?\b|\brunoff\b.*\b(?:gop|"
    r"republican|democratic)\b|\bmargin\b|"
    r"\bsecond place\b|\bfirst place\b|\badvance\b|\bround\b|\bmatchup\b|\bplace\b|\brun for\b|\bannounce\b|"
    r"\bticket\b|"
    r"\bturnout\b|\bendorse\w*|\bclosest\b|\bcombo\b|\bretire\b|\brecall\b|\bvp\b"
)
_other_party = re.compile(r"\b(?:independent|third party|libertarian|green party|forward party|america party)\b")
_leaves = re.compile(
    r"\bout\b|\bleaves?\b|\bresigns?\b|\bremoved\b|\bousted\b|\bimpeached?\b|\bcease to\b|\bsteps? down\b|\bfired\b|"
    r"\bno longer\b|\bsnap election\b|\bearly election\w*|\bdissolved?\b|\bno confidence\b|\breplaced?\b|"
    r"\bregime fall\w*|"
    r"\bnext leader out\b|\bcoup\b|\bdepart\w*|\barrested\b"
)
_takes_office = re.compile(
    r"\bwins?\b|\bnext\b|\bbecomes?\b|\bbe (?:\w+ ){0,3}(?:leader|president|prime minister|head|pm)\b|\blead\b|"
    r"\bmost (?:seats|votes)\b|\belected\b|\bwinner\b|\bgain\w*\b|\bhead of state\b|\bmajority\b|\bparty\b|"
    r"\belection\b|\bat least\b"
)
_not_decisive = re.compile(
    r"\b(?:second|third|fourth|fifth|2nd|3rd|4th)\b|\bplace\b|\bfirst place\b|\bmargin\b|\bby (?:less|more|"
    r"at least|under|over)\b|"
    r"\badvance\b|\brun for\b|\bcandidate\b|\bannounce\b|\bbe called\b|\bcoalition\b|\bpart of\b|"
    r"\bparticipat\w+|\brunoff\b|\bmatchup\b|"
    r"\breceives? \d|\bturnout\b|\bhold (?:a|an)\b.*\belection\b|\bconfirmed\b|\bvote share\b|\bpercent\b|\bban\b|"
    r"\bcap\b|\bconstitution\b|\b#\d"
)
_lower_place = re.compile(r"\b(?:finish|place|come)\w* (?:in )?(?:second|third|fourth|fifth|2nd|3rd|4th|5th)\b")
# Where nobody who governs stands again: the winner is no one's loss.
_open_seats = re.compile(
    r"\bperu\w*|\bcochabamba|\bla paz\b|\bchile\w*|\bmongol\w*|\bnepal\w*|\bcape verde\w*|\bcosta ric\w*|\bsomali\w*"
)
_calms = re.compile(
    r"\bceasefire\b(?!.*\b(?:broken|violat\w*|ends?|collaps\w*|cancel\w*|over)\b)|\bpeace\b|\bdeal\b|"
    r"\bagreement\b|\btruce\b|\bwithdraw\w*|"
    r"\bnormali[sz]\w*|\brecogni[sz]\w*|\breopens?\b|\bembassy\b|\breleased?\b|\blift\w*|\beases?\b|\bdisarm\w*|"
    r"\bsurrenders?\b|"
    r"\bsigns?\b|\bsigning\b|\bmemorandum\b|\bmou\b|\bdiplomatic\b|\btalks?\b|\bnegotiat\w*|"
    r"\bending\b.*\bsanctions?\b|"
    r"\bends? (?:\w+ )?(?:war|conflict|blockade|sanctions|military|offensive|operations)\b|\bresume\w* (?:talks|"
    r"flights|relations|diplomacy)|\baid\b|\bdirect flights\b|"
    r"\bextend\w*|\breturns? to normal\b|\binspections?\b|\bhostages?\b|\bdismantle\w*|\bgives? up\b|"
    r"\bexport relief\b|\bstops?\b|\b(?:war|action|conflict|operations?|offensive|hostilities)\b.*\bends?\b|"
    r"\bhandover\b|\bends? enrichment\b|\bagrees?\b"
)
# Leaving talks or a treaty and breaking off relations is no step toward peace, whatever the verb.
_breaks_off = re.compile(
    r"\bsever\w*\b.*\b(?:relations|ties)\b|\b(?:withdraw\w*|leaves?|quits?|pulls? out|exits?)\b.*"
    r"\b(?:negotiations|talks|treaty|npt|mou|deal|agreement|accords?)\b|\bexpel\w*\b.*\bambassador\b"
)
_meets = re.compile(
    r"\bmeets?\b|\bmeeting\b|\bvisits?\b|\bsummit\b|\bspeak\b|\btalk to\b|\btalks? with\b|\bcall\b|\battend\w*|"
    r"\bshake\b|\bhandshake\b"
)
_pairs = {
    "russia-ukraine": (r"putin|russia", r"zelensk\w*|ukrain\w*"),
    "israel-palestine": (r"netanyahu|israel\w*", r"hamas|abbas|palestin\w*|hezbollah|leban\w*|aoun"),
    "iran": (
        r"\bus\b|u\.s|united states|trump|vance|witkoff|israel\w*|american",
        r"iran\w*|araghchi|pezeshkian|khamenei",
    ),
    "china-taiwan": (r"\bxi\b|china", r"taiwan|lai"),
    "venezuela-latam-security": (
        r"\bus\b|u\.s|united states|trump|rubio",
        r"venezuela|maduro|cuba|diaz-?canel|rodriguez",
    ),
    "other-conflicts": (r"netanyahu|trump|modi|putin|\bus\b", r"sharaa|kim jong|sharif|syria|north korea"),
}


@lru_cache(maxsize=1)
def people() -> Gazetteer:
    return Gazetteer(knowledge_lines("people.txt"))


def _stands(line: str) -> set[str]:
    return set(people().find(words_of(line)))


def level(factor: str, line: str, reading: Reading) -> Verdict:
    """A number above a line is more, below it less, inside a range neither."""
    if factor in _RATES and _no_change.search(line):
        return 0, "No change is neither."
    if "volatility" in line and factor in ("ether-price", "bitcoin-price"):
        return 0, "Volatility has no side."
    kind = grammar.strike_kind(reading)
    if grammar.is_range(line) or kind == "between":
        return 0, "A range is neither."
    if factor == "single-stocks" and grammar.is_lower_place(line):
        return 0, "A lower place is neither."
    value = grammar.compares(line)
    why = "above" if value > 0 else "below"
    # "The highest temperature" is what is measured; only a comparison says which way.
    if not value and factor != "daily-temperature":
        value = grammar.moves(line)
        why = "it rises" if value > 0 else "it falls"
    elif factor in _RATES and re.search(r"\b(?:cut|cuts|decrease[sd]?|lower)\b", line):
        value, why = -1, "a cut"
    if value and why.startswith("it ") and factor in _MEASURED and _by_a_figure.search(line):
        return 0, "One exact figure is neither."
    if not value and kind == "above":
        value, why = 1, "the ticker's strike is a threshold"
    if factor == "equity-volatility" and value <= 0 and not grammar.compares(line):
        value, why = 1, "the fall or the alarm happens"
    if not value and factor == "us-debt-deficit" and re.search(r"\b(?:default|downgrad\w*)", line):
        value, why = 1, "it happens"
    if not value:
        if re.search(r"\bbe (?:\$?-?\d)", line) or not re.search(r"\b(?:by|before|in 20\d\d)\b", line):
            return 0, "It names a single figure or none."
        return 0, "No comparison was found."
    return _turned(factor, line, value, why)


def _turned(factor: str, line: str, value: int, why: str) -> Verdict:
    """Turn a comparison about where the factor's up is the other way round."""
    if factor == "us-jobs" and _weak_labor.search(line):
        return -value, f"{why}, of a number that means less work."
    if factor == "us-dollar" and "parity" in line:
        return 1, "parity, from above."
    if factor == "us-dollar" and _first_dollar.search(line):
        return -value, f"{why}, of another currency in dollars."
    if factor == "us-debt-deficit" and re.search(
        r"\b(?:sav\w+|reduc\w*|cuts?|shrink|halve|balance|surplus|collect)\b", line
    ):
        return -1, "less spending or debt."
    return value, f"{why}."


def films(factor: str, line: str, reading: Reading) -> Verdict:
    """A score, gross or rank: the top rank counts, a lower one and a cast list do not."""
    if grammar.is_lower_place(line) and "weekend" not in line:
        return 0, "A lower place is neither."
    if grammar.is_range(line):
        return 0, "A range is neither."
    value = grammar.compares(line)
    if value:
        return value, "above." if value > 0 else "below."
    if re.search(r"\b(?:top|#1|highest|best|biggest|most)\b|\bnumber one\b", line):
        return 1, "The top rank."
    return 0, "Neither score, gross nor rank."


def music(factor: str, line: str, reading: Reading) -> Verdict:
    """A release or the top rank is more; a lower rank, a guest or a stage is neither."""
    if grammar.is_range(line) or grammar.is_lower_place(line):
        return 0, "A range or a lower place is neither."
    if re.search(r"\b(?:headline\w*|feature\w*|perform\w*|tracks?|genre|guest|halftime|sing|collab\w*)\b", line):
        return 0, "A guest or a stage is neither."
    if grammar.denies(line):
        return -1, "It does not happen."
    value = grammar.compares(line)
    if value:
        return value, "above." if value > 0 else "below."
    if re.search(
        r"#1\b|\btop\b|\bnumber one\b|\bmost\b|\brelease\w*|\bdrops?\b|\bbefore\b|\balbum\b|\btour\b|\bhits?\b", line
    ):
        return 1, "A release or the top rank."
    return 0, "Neither rank nor release."


def happens(factor: str, line: str, reading: Reading) -> Verdict:
    """The event that `up` names happens (by a date), or does not; an exact day or count is neither."""
    if grammar.is_range(line):
        return 0, "A range is neither."
    if re.search(r"\bwhere will\b|\blocation\b", line):
        return 0, "A place is neither."
    if grammar.is_exact_day(line) and factor in ("ai-releases", "crypto-projects", "us-legislation"):
        return 0, "One exact day is neither."
    if _count.search(line) and not grammar.compares(line):
        return 0, "A count is neither."
    if grammar.denies(line):
        return -1, "It does not happen."
    compared = grammar.compares(line)
    if compared < 0:
        return -1, "below."
    return 1, "It happens." if not compared else "above."


def us_side(factor: str, line: str, reading: Reading) -> Verdict:
    """A Republican win is more, a Democratic win less; a contest inside a party is neither."""
    ticker = grammar.ticker_side(reading)
    if grammar.is_range(line):
        return 0, "A range is neither."
    if _contest_inside.search(line):
        return 0, "A contest inside one party, or not about who wins."
    if ticker in ("R", "REP", "GOP", "RPAR"):
        return 1, "The ticker's side is Republican."
    if ticker in ("D", "DEM", "DPAR"):
        return -1, "The ticker's side is Democratic."
    if not re.search(
        r"\bwins?\b|\bkeeps?\b|\bcontrol\w*|\bseats?\b|\bwinner\b|\bhold\b|\bflip\b|\bsweep\b|\bgovernor\b|\belection\b|"
        r"\bnext\b|\bmayor\w*",
        line,
    ):
        return 0, "Not about who wins."
    outcome = re.split(r"—|::|\?:", line)[-1] if re.search(r"—|::|\?:", line) else line
    stands = _stands(outcome) or _stands(line)
    value = 1 if "republican" in stands else 0
    value -= 1 if "democrat" in stands else 0
    if not value:
        return 0, "No side is named, or both."
    if re.search(r"\blos(?:e|es|ing)\b", line) or grammar.denies(line) or grammar.compares(line) < 0:
        return -value, "The named side loses."
    return value, "The named side is Republican." if value > 0 else "The named side is Democratic."


def incumbent_side(factor: str, line: str, reading: Reading) -> Verdict:
    """An incumbent who leaves or loses is more; an incumbent's win is less."""
    stands = _stands(line)
    incumbent = "incumbent" in stands
    if grammar.is_range(line):
        return 0, "A range is neither."
    if _leaves.search(line) and not re.search(r"\bnext (?!leader out)|\bwins?\b", line):
        if re.search(r"\bby-?election\b|\bprosecutor\b", line):
            return 0, "No incumbent is asked about."
        return (
            (-1, "The incumbent stays.")
            if grammar.denies(line) and "no longer" not in line and "no confidence" not in line
            else (1, "The incumbent leaves.")
        )
    if (
        incumbent
        and re.search(r"\b(?:second|2nd|third)\b.*\b(?:most|place|seats)\b", line)
        and factor != "latin-america-politics"
    ):
        return 1, "The incumbent is not first."
    if _lower_place.search(line) or (_not_decisive.search(line) and not incumbent):
        return 0, "Not about who governs."
    if not _takes_office.search(line):
        return 0, "Not about who governs."
    if incumbent:
        if _not_decisive.search(line) and not re.search(r"\bmost (?:\w+ ){0,3}(?:votes|seats)\b|\bround\b", line):
            return 0, "Not about who governs."
        return (
            (1, "The incumbent loses.")
            if grammar.denies(line) or re.search(r"\blos(?:e|es)\b", line)
            else (-1, "The incumbent wins.")
        )
    if factor == "europe-elections":
        return 0, "A challenger in Europe is neither."
    if _open_seats.search(line):
        return 0, "No incumbent stands."
    return 1, "A challenger wins."


def escalation(factor: str, line: str, reading: Reading) -> Verdict:
    """War, strikes and sanctions are more; a deal, a truce or a withdrawal is less."""
    if grammar.is_range(line):
        return 0, "A range is neither."
    if re.search(r"\bseen in public\b|\bphotograph\w*|\balive\b|\brename\w*", line):
        return 0, "Neither war nor peace."
    if re.search(r"\bstrikes? \d+ countries\b(?! or more)", line) and not grammar.compares(line):
        return 0, "A count is neither."
    if _breaks_off.search(line):
        return (-1 if grammar.denies(line) else 1), "What kept the peace is broken off."
    calm = _calms.search(line)
    meets = _meets.search(line)
    if meets and not (calm and calm.group() not in ("talks", "talk", "diplomatic")):
        pair = _pairs.get(factor)
        both = pair is not None and re.search(pair[0], line) and re.search(pair[1], line)
        if both and not re.search(r"\bvisit", line):
            return (1 if grammar.denies(line) else -1), "The two sides meet."
        if calm is None or not both:
            return 0, "A meeting that is not of the two sides."
    if re.search(r"\bf-?35\b|\bs-?400\b|\bwhere will\b|\bhow long\b|\blocation\b", line):
        return 0, "Neither war nor peace."
    value = -1 if calm else 1
    if grammar.denies(line):
        value = -value
    return value, "Toward peace." if value < 0 else "Toward war."


def shutdown(factor: str, line: str, reading: Reading) -> Verdict:
    """A shutdown that comes or lasts is more; its end or its funding is less."""
    if grammar.is_range(line) or re.search(r"\bhow many\b|\bvote\b|\bvotes\b", line):
        return 0, "A range, a count or a vote is neither."
    ends = re.search(
        r"\bends?\b|\bfunded\b|\bfunding\b|\breopens?\b|\bavoid\w*|\breceive\b|\bover by\b|\bclean\b", line
    )
    value = -1 if ends and not re.search(r"\bfunding lapse\b", line) else 1
    return (-value if grammar.denies(line) else value), "It ends or is funded." if value < 0 else "It happens or lasts."


def tariffs(factor: str, line: str, reading: Reading) -> Verdict:
    """Higher or more tariffs are more; removal, refunds and courts against them are less."""
    if grammar.is_range(line):
        return 0, "A range is neither."
    value = grammar.compares(line)
    less = re.search(
        r"\b(?:lower\w*|remov\w*|eliminat\w*|refunds?|end|ends|reduc\w*|paus\w*|suspend\w*|exempt\w*|cuts?|"
        r"struck|strike|block\w*|"
        r"against|illegal|repeal\w*|rebate|checks|drop|delay\w*|exclusion\w*|disapprove)\b",
        line,
    )
    if less and value <= 0:
        return (1 if grammar.denies(line) else -1), "Less of a tariff."
    if value:
        return value, "above." if value > 0 else "below."
    return (-1 if grammar.denies(line) else 1), "More of a tariff."


def supply(factor: str, line: str, reading: Reading) -> Verdict:
    """More oil and traffic reach the market, or less."""
    if grammar.is_range(line):
        return 0, "A range is neither."
    value = (
        -1
        if re.search(
            r"\bcuts?\b|\bban\w*|\bhalt\w*|\bsanction\w*|\bclos\w*|\bdisrupt\w*|\bfalls?\b|\bcease\w*|"
            r"\breduc\w*|\bleave\b",
            line,
        )
        else 1
    )
    compared = grammar.compares(line)
    if compared:
        value = compared
    return (-value if grammar.denies(line) else value), "More supply." if value > 0 else "Less supply."


def investigations(factor: str, line: str, reading: Reading) -> Verdict:
    """Charges, convictions and removals count; names in papers and testimony do not."""
    if re.search(r"\bcharges?\b.*\b(?:dropped|dismissed)\b|\bacquitted\b|\bexonerated\b|\bnot guilty\b", line):
        return -1, "The charges fail."
    if re.search(
        r"\b(?:charg\w*|convict\w*|indict\w*|impeach\w*|arrest\w*|contempt|guilty|jail|prison|expel\w*|removed|"
        r"sentenced|foul play|liable|fraud|prosecut\w*|censure\w*)\b",
        line,
    ):
        if grammar.is_range(line) or re.search(r"\bhow many\b|\bvote for\b", line):
            return 0, "A count is neither."
        return (-1 if grammar.denies(line) else 1), "Charges or removal." if not grammar.denies(line) else "No charges."
    return 0, "Neither charges nor removal."


def immigration(factor: str, line: str, reading: Reading) -> Verdict:
    """Stricter enforcement is more; more arrivals or softer rules are less."""
    if grammar.is_range(line):
        return 0, "A range is neither."
    soft = re.search(
        r"\b(?:expand\b.*\b(?:h-?1b|visa|immigration|refugee)|h-?1b.*\bexpand|encounters|arrivals|admit\w*|"
        r"amnesty|gold cards?|granted|lift\w*|citizenship for|reinstat\w*|downgrad\w*)",
        line,
    )
    value = -1 if soft else 1
    if re.search(r"\bend\b.*\b(?:travel ban|ban)\b", line):
        value = -1
    compared = grammar.compares(line)
    if compared < 0 or grammar.denies(line):
        value = -value
    return value, "Stricter." if value > 0 else "Softer."


def appointments(factor: str, line: str, reading: Reading) -> Verdict:
    """A confirmation or a departure counts; numbers of votes do not."""
    if grammar.is_range(line) or re.search(r"\bhow many\b|\bvote for\b|\bvotes\b|\bmost votes\b", line):
        return 0, "A count or a vote is neither."
    if re.search(r"\bremain\w*|\bstill be\b|\bstay\w*", line):
        return -1, "The incumbent stays."
    if re.search(r"\bnomin\w+\b.*\b(?:fails?|withdrawn|rejected|defeated)\b", line):
        return -1, "The named person is not confirmed."
    return (-1, "It does not happen.") if grammar.denies(line) and "no longer" not in line else (1, "It happens.")


def neither(factor: str, line: str, reading: Reading) -> Verdict:
    return 0, "The factor's events have no side here."


def adoption(factor: str, line: str, reading: Reading) -> Verdict:
    """More holding or use is more, a sale less; old coins that move are neither."""
    if "satoshi" in line:
        return 0, "Coins that move say neither."
    if grammar.is_range(line):
        return 0, "A range is neither."
    value = -1 if re.search(r"\b(?:sells?|sold|forced|liquidat\w*|ban\w*|below)\b", line) else 1
    return (-value if grammar.denies(line) else value), "More use." if value > 0 else "Less use."


def technology(factor: str, line: str, reading: Reading) -> Verdict:
    """A tighter rule or a ruling against the firm is more; a delay, a repeal or a dismissal is less."""
    value, why = happens(factor, line, reading)
    if value and re.search(r"\b(?:delay\w*|lift\w*|overturn\w*|dismiss\w*|repeal\w*|unban\w*)\b", line):
        return -value, "The rule is put off or falls."
    return value, why


def taxes(factor: str, line: str, reading: Reading) -> Verdict:
    """Higher taxes are more; cuts and relief are less."""
    if re.search(
        r"\b(?:eliminat\w*|end|ends|repeal\w*|revoke\w*|clos\w+)\b.*\b(?:exempt\w*|credits?|loophole)\b", line
    ):
        return (-1 if grammar.denies(line) else 1), "A relief ends."
    cut = re.search(
        r"\b(?:cuts?|suspend\w*|decreas\w*|eliminat\w*|lower\w*|waive\w*|no tax|free|abolish\w*|exempt\w*|repeal\w*)\b|"
        r"\bend (?:the )?income tax",
        line,
    )
    value = -1 if cut else 1
    if grammar.is_range(line):
        return 0, "A range is neither."
    return (-value if grammar.denies(line) else value), "Higher taxes." if value > 0 else "Lower taxes."


def companies(factor: str, line: str, reading: Reading) -> Verdict:
    """A result above the line is more; words said on a call are neither."""
    if re.search(r"\b(?:say|says|mention\w*|said)\b", line):
        return 0, "Words said are neither."
    return (
        level(factor, line, reading)
        if not re.search(r"\bbeats?\b|\bmiss\b", line)
        else ((-1, "A miss.") if re.search(r"\bmiss\b", line) else (1, "A beat."))
    )


def listings(factor: str, line: str, reading: Reading) -> Verdict:
    """The listing happens; who leads it, its ticker and its sector are neither."""
    if re.search(
        r"\b(?:underwrit\w*|lead left|ticker|sector|bank\w* .* public|which banks?|first\b.*\bor\b|"
        r"or .* ipo first)\b",
        line,
    ):
        return 0, "How it is done is neither."
    return happens(factor, line, reading)


def leaders(factor: str, line: str, reading: Reading) -> Verdict:
    """The incumbent leaves; who comes next is neither unless the incumbent is asked about."""
    if re.search(r"\bhow many\b|\bvotes?\b|\bwhich senators\b", line):
        return 0, "A count or a vote is neither."
    if re.search(r"\bremain\w*|\bstay\w*|\bstill\b", line) or (grammar.denies(line) and "no longer" not in line):
        return -1, "The incumbent stays."
    return 1, "The incumbent leaves or another is named."
