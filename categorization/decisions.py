"""Run the stages over readings in memory: group, weigh, fuse, direct, assign. No database here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from categorization.artifact import Artifact
from categorization.factors import taxonomy
from categorization.reading import Reading
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

TrailEntry = dict[str, object]


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

    @property
    def is_unknown(self) -> bool:
        return not self.skip_reason and self.confidence < fuse.UNKNOWN


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided for one group: its opinion and the entries of stages 4 to 8."""

    opinion: fuse.Opinion
    entries: tuple[TrailEntry, ...]


class Decider:
    """Decides readings, remembering the groups that it has decided before."""

    # Groups kept in memory; an event's markets lie near each other, so old ones are rarely asked for.
    REMEMBERED = 6_000

    def __init__(self, artifact: Artifact, *, without: str = "") -> None:
        self.artifact = artifact
        self.without = without
        self.numbers = {label: number for number, label in enumerate(artifact.labels)}
        self.theme_of = taxonomy().theme_of
        self._judged: dict[tuple[str, ...], Judged] = {}

    def decide(self, readings: Sequence[Reading], *, now: datetime | None) -> list[Decision]:
        """Decide every reading, in order. `now` judges what is expired; None leaves expiry out."""
        texts = [normalize.normalize(reading) for reading in readings]
        reasons = [screen.screen(reading, text, now=now) for reading, text in zip(readings, texts, strict=True)]
        keys = [group.group_key(reading, text) for reading, text in zip(readings, texts, strict=True)]
        members = Counter(keys)
        wanted: dict[tuple[str, ...], normalize.Text] = {}
        for key, text, reason in zip(keys, texts, reasons, strict=True):
            if not reason and key not in self._judged:
                wanted.setdefault(key, text)
        self._judge(wanted)
        chosen = assign.settle(
            [
                (reading.venue, reading.event_key, key, self._judged[key].opinion)
                for reading, key, reason in zip(readings, keys, reasons, strict=True)
                if not reason
            ]
        )
        decisions = []
        for reading, text, key, reason in zip(readings, texts, keys, reasons, strict=True):
            first: tuple[TrailEntry, ...] = (
                {"stage": normalize.NAME, "says": normalize.explain(text)},
                {"stage": group.NAME, "says": group.explain(members[key])},
                {"stage": screen.NAME, "says": screen.explain(reason)},
            )
            if reason:
                decisions.append(Decision(reading.key, "", "", 0, 0.0, False, reason, list(first)))
                continue
            decisions.append(
                self._decide_one(reading, text, self._judged[key], chosen.get((reading.event_key, key)), first)
            )
        if len(self._judged) > self.REMEMBERED:
            self._judged.clear()
        return decisions

    def _decide_one(
        self,
        reading: Reading,
        text: normalize.Text,
        judged: Judged,
        inherited: assign.Inherited | None,
        first: tuple[TrailEntry, ...],
    ) -> Decision:
        opinion = judged.opinion
        label = inherited.label if inherited else opinion.label
        confidence = inherited.confidence if inherited else opinion.confidence
        is_sure = inherited is not None or opinion.is_sure
        said = direction.direction(reading, text, label)
        trail: list[TrailEntry] = [
            *first,
            *judged.entries,
            {"stage": direction.NAME, "says": said.says, "direction": said.value},
            {"stage": assign.NAME, "says": assign.explain(label, self.theme_of[label], inherited, is_sure=is_sure)},
        ]
        runner_up = opinion.label if inherited else opinion.runner_up
        return Decision(reading.key, label, runner_up, said.value, round(confidence, 4), is_sure, "", trail)

    def _judge(self, wanted: dict[tuple[str, ...], normalize.Text]) -> None:
        """Give each new group its opinion, in batches."""
        keys = list(wanted)
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            for key, judged in zip(batch, self._judge_batch([wanted[key] for key in batch]), strict=True):
                self._judged[key] = judged

    def _judge_batch(self, texts: list[normalize.Text]) -> list[Judged]:
        import numpy as np

        labels = self.artifact.labels
        shape = (len(texts), len(labels))
        prior = np.zeros(shape, dtype=np.float32)
        ruled = np.zeros(shape, dtype=np.float32)
        priors = [venue_prior.venue_prior(text) for text in texts]
        hits = [rules.rules(text) for text in texts]
        self._fill(prior, [said.weights for said in priors])
        self._fill(ruled, [said.weights for said in hits])
        features = self.artifact.features([lexical.model_text(text) for text in texts])
        lexicals = lexical.lexical(self.artifact, features)
        semantics, nearest = semantic.semantic(self.artifact, features)
        fused = fuse.fuse(prior, ruled, lexicals, semantics, without=self.without)
        opinions = fuse.opinions_of(fused, labels)
        best_words = fuse.opinions_of(lexicals, labels)
        best_sense = fuse.opinions_of(semantics, labels)
        judged = []
        for row, opinion in enumerate(opinions):
            words, sense = best_words[row], best_sense[row]
            title = self.artifact.example_titles[int(nearest[row])][:80]
            entries: tuple[TrailEntry, ...] = (
                {"stage": venue_prior.NAME, "says": priors[row].says},
                {"stage": rules.NAME, "says": hits[row].says},
                {"stage": lexical.NAME, "says": lexical.explain(words.label, words.confidence, words.runner_up)},
                {"stage": semantic.NAME, "says": semantic.explain(sense.label, sense.confidence, title)},
                {"stage": fuse.NAME, "says": fuse.explain(opinion), "confidence": round(opinion.confidence, 3)},
            )
            judged.append(Judged(opinion, entries))
        return judged

    def _fill(self, table: "np.ndarray", rows: list[dict[str, float]]) -> None:
        for row, weights in enumerate(rows):
            for factor, weight in weights.items():
                number = self.numbers.get(factor)
                if number is not None:
                    table[row, number] = weight
