"""Run the stages over readings in memory: group, weigh, fuse, direct, assign. No database here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from categorization.artifact import Artifact
from categorization.factors import taxonomy
from categorization.reading import Reading, difference, seen_of
from categorization.stages import (
    assign,
    direction,
    fuse,
    group,
    lexical,
    normalize,
    rules,
    screen,
    semantic,
    venue_prior,
)

if TYPE_CHECKING:
    import numpy as np

# Texts that are vectorised at once: enough to be fast, few enough to stay small.
BATCH = 1024

TrailEntry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the stages say about one market."""

    key: object
    label: str
    runner_up: str
    direction: int
    confidence: float
    is_sure: bool
    skip_reason: str
    trail: list[TrailEntry]
    # How far the best factor led the second; what calibration counts by.
    lead: float = 0.0

    @property
    def is_unknown(self) -> bool:
        return not self.skip_reason and self.confidence < fuse.UNKNOWN


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided for one group: its opinion, the entries of stages 4 to 8, and the market that was read."""

    opinion: fuse.Opinion
    entries: tuple[TrailEntry, ...]
    reading: Reading


Group = tuple[str, ...]


class Decider:
    """Decides readings, remembering the groups that it has decided before.

    `without` names a stage to leave out, for measuring what it adds.
    """

    # Groups kept in memory; an event's markets lie near each other, so old ones are rarely asked for.
    REMEMBERED = 6_000

    def __init__(self, artifact: Artifact, *, without: str = "") -> None:
        self.artifact = artifact
        self.without = without
        self.numbers = {label: number for number, label in enumerate(artifact.labels)}
        self.theme_of = taxonomy().theme_of
        self._judged: dict[Group, Judged] = {}

    def decide(self, readings: Sequence[Reading], *, now: datetime | None) -> list[Decision]:
        """Decide every reading, in order. `now` judges what is expired; None leaves expiry out."""
        texts = [self._text(reading) for reading in readings]
        reasons = [self._reason(reading, text, now) for reading, text in zip(readings, texts, strict=True)]
        keys = [self._key(place, reading, texts[place]) for place, reading in enumerate(readings)]
        members = Counter(keys)
        wanted: dict[Group, tuple[Reading, normalize.Text]] = {}
        for place, (key, reason) in enumerate(zip(keys, reasons, strict=True)):
            if not reason and key not in self._judged:
                wanted.setdefault(key, (readings[place], texts[place]))
        self._judge(wanted)
        chosen = self._settle(readings, keys, reasons)
        decisions = []
        for reading, text, key, reason in zip(readings, texts, keys, reasons, strict=True):
            judged = None if reason else self._judged[key]
            inherited = chosen.get((reading.event_key, key))
            decisions.append(self.conclude(reading, text, reason, members[key], judged, inherited))
        if len(self._judged) > self.REMEMBERED or self.without == group.NAME:
            self._judged.clear()
        return decisions

    def judge(self, reading: Reading) -> Judged:
        """Give one market an opinion of its own."""
        return self._judge_batch([(reading, self._text(reading))])[0]

    def conclude(
        self,
        reading: Reading,
        text: normalize.Text,
        reason: str,
        members: int,
        judged: Judged | None,
        inherited: assign.Inherited | None,
    ) -> Decision:
        """Turn a group's opinion into one market's decision, with the trail that a replay starts from."""
        first: list[TrailEntry] = [
            {"stage": normalize.NAME, "says": normalize.explain(text), "saw": seen_of(reading)},
            {"stage": group.NAME, "says": group.explain(members), "members": members},
            {"stage": screen.NAME, "says": screen.explain(reason), "reason": reason},
        ]
        if judged is None:
            return Decision(reading.key, "", "", 0, 0.0, False, reason, first)
        if judged.reading is not reading and (other := difference(reading, judged.reading)):
            first[1]["stands_for"] = other
        opinion = judged.opinion
        label = inherited.label if inherited else opinion.label
        confidence = round(inherited.confidence if inherited else opinion.confidence, 4)
        is_sure = opinion.is_sure or (
            inherited is not None and inherited.confidence >= self.artifact.calibration.threshold
        )
        said = direction.direction(reading, text, label)
        value = 0 if self.without == direction.NAME else said.value
        last: TrailEntry = {
            "stage": assign.NAME,
            "says": assign.explain(label, self.theme_of[label], inherited, is_sure=is_sure),
            "label": label,
            "confidence": confidence,
        }
        if inherited:
            last["inherited"] = [inherited.label, inherited.confidence]
        trail = [*first, *judged.entries, {"stage": direction.NAME, "says": said.says, "direction": value}, last]
        runner_up = opinion.label if inherited and inherited.label != opinion.label else opinion.runner_up
        return Decision(reading.key, label, runner_up, value, confidence, is_sure, "", trail, opinion.lead)

    def _text(self, reading: Reading) -> normalize.Text:
        return normalize.bare(reading) if self.without == normalize.NAME else normalize.normalize(reading)

    def _reason(self, reading: Reading, text: normalize.Text, now: datetime | None) -> str:
        return "" if self.without == screen.NAME else screen.screen(reading, text, now=now)

    def _key(self, place: int, reading: Reading, text: normalize.Text) -> Group:
        return (str(place),) if self.without == group.NAME else group.group_key(reading, text)

    def _settle(
        self, readings: Sequence[Reading], keys: Sequence[Group], reasons: Sequence[str]
    ) -> dict[tuple[str, Group], assign.Inherited]:
        if self.without == assign.NAME:
            return {}
        return assign.settle(
            [
                (reading.venue, reading.event_key, key, self._judged[key].opinion)
                for reading, key, reason in zip(readings, keys, reasons, strict=True)
                if not reason
            ]
        )

    def _judge(self, wanted: dict[Group, tuple[Reading, normalize.Text]]) -> None:
        """Give each new group its opinion, in batches."""
        keys = list(wanted)
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            for key, judged in zip(batch, self._judge_batch([wanted[key] for key in batch]), strict=True):
                self._judged[key] = judged

    def _judge_batch(self, batch: list[tuple[Reading, normalize.Text]]) -> list[Judged]:
        import numpy as np

        artifact = self.artifact
        labels = artifact.labels
        texts = [text for _reading, text in batch]
        priors = [venue_prior.venue_prior(text, artifact.taught) for text in texts]
        hits = [rules.rules(text) for text in texts]
        prior = self._table([said.weights for said in priors])
        ruled = self._table([said.weights for said in hits])
        features = artifact.features([lexical.model_text(text) for text in texts])
        lexicals = lexical.lexical(artifact, features)
        semantics, points = semantic.semantic(artifact, features)
        fused = fuse.fuse(prior, ruled, lexicals, semantics, without=_TABLES.get(self.without, self.without))
        opinions = fuse.opinions_of(fused, labels, artifact.calibration)
        words, senses = fuse.best_two(lexicals), fuse.best_two(semantics)
        nearest = semantic.nearest_examples(artifact, points, np.array([sense[0] for sense in senses]))
        judged = []
        for row, opinion in enumerate(opinions):
            title = artifact.example_titles[int(nearest[row])][:80]
            word, sense = words[row], senses[row]
            entries: tuple[TrailEntry, ...] = (
                {"stage": venue_prior.NAME, "says": priors[row].says, **_best(priors[row].weights)},
                {"stage": rules.NAME, "says": hits[row].says, **_best(hits[row].weights)},
                _heard(lexical.NAME, lexical.explain(labels[word[0]], word[2], labels[word[1]]), word, labels),
                _heard(semantic.NAME, semantic.explain(labels[sense[0]], sense[2], title), sense, labels),
                {
                    "stage": fuse.NAME,
                    "says": fuse.explain(opinion),
                    "label": opinion.label,
                    "confidence": round(opinion.confidence, 3),
                    "runner_up": opinion.runner_up,
                    "lead": round(opinion.lead, 2),
                },
            )
            judged.append(Judged(opinion, entries, batch[row][0]))
        return judged

    def _table(self, rows: list[dict[str, float]]) -> "np.ndarray":
        import numpy as np

        table = np.zeros((len(rows), len(self.artifact.labels)), dtype=np.float64)
        for row, weights in enumerate(rows):
            for factor, weight in weights.items():
                number = self.numbers.get(factor)
                if number is not None:
                    table[row, number] = weight
        return table


# What `fuse` calls the tables of the stages that it weighs.
_TABLES = {venue_prior.NAME: "prior", rules.NAME: "rules", lexical.NAME: "lexical", semantic.NAME: "semantic"}


def _best(weights: dict[str, float]) -> TrailEntry:
    """Name the best and the second of a stage that may have heard nothing."""
    order = sorted(weights, key=lambda factor: -weights[factor])[:2]
    said: TrailEntry = {"label": order[0], "confidence": round(weights[order[0]], 3)} if order else {}
    return said | {"runner_up": order[1]} if len(order) > 1 else said


def _heard(stage: str, says: str, best: tuple[int, int, float, float], labels: tuple[str, ...]) -> TrailEntry:
    return {
        "stage": stage,
        "says": says,
        "label": labels[best[0]],
        "confidence": round(best[2], 3),
        "runner_up": labels[best[1]],
    }
