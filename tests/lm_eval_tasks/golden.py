"""What must not change by itself: prompts, demonstrations, documents and metrics of every benchmark.

    python -m tests.lm_eval_tasks.golden > tests/lm_eval_tasks/golden.json

A digest that changes on purpose is a change of a task: see "Scores" in CONTRIBUTING.md.
"""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

from lm_eval_tasks.benchmarks import BENCHMARKS, REWARD_SETS
from lm_eval_tasks.benchmarks.rlvr.data import load_rlvr
from lm_eval_tasks.benchmarks.rlvr.prompts import build_prompt
from lm_eval_tasks.benchmarks.rlvr.rewards import grade
from lm_eval_tasks.harness.metrics import aggregations
from lm_eval_tasks.prompting.demonstrations import DemonstrationPicker
from lm_eval_tasks.prompting.plain_text import to_plain_text
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.reading import local_file
from lm_eval_tasks.scorefile.records import read_records
from lm_eval_tasks.scorefile.totals import Totals
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.sources.benchmark import BenchmarkSource

NAMES = ("gsm8k", "csqa", "math", "ifeval")
MODES = ("fixed", "per_example", "shuffled", "zero")
CIRCUMSTANCES = (
    Circumstances(),
    Circumstances(truncated=True),
    Circumstances(truncated=False, opens_thinking=True),
)


def digest(value):
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:16]


def open_benchmark(benchmark, data):
    """Demonstrations come from the sample where a folder holds evaluated rows alone."""
    path = local_file(benchmark, BENCHMARKS[benchmark].train, data)
    return BenchmarkSource(benchmark, data, pool=None if path.is_file() else "sample")


def prompts(benchmark, data):
    """Digests of all prompts without and with demonstrations, as messages and as plain text."""
    source = open_benchmark(benchmark, data)
    asked, rows = source.evaluation(), source.pool()
    found = {"rows": [len(asked), len(rows)], "ids": digest([row.id for row in asked])}
    for k in (0, BENCHMARKS[benchmark].num_fewshot):
        shown = DemonstrationPicker(rows, k)
        messages = [build_messages(row, shown.pick(row), system="Be brief." if k else None) for row in asked]
        found[f"{k}-shot"] = digest(messages)
        texts = [to_plain_text(one, label=row.label) for one, row in zip(messages, asked, strict=True)]
        found[f"{k}-shot plain text"] = digest(texts)
    found["documents"] = digest([source.document(row) for row in asked])
    return found


def demonstrations(benchmark, data):
    """Ids and answers of what is shown, by mode and seed."""
    source = open_benchmark(benchmark, data)
    asked, rows = source.evaluation(), source.pool()
    found = {}
    for mode in MODES:
        for seed in (42, 7):
            picker = DemonstrationPicker(rows, 5, mode, seed)
            shown = [picker.pick(row) for row in asked[:3]]
            found[f"{mode} {seed}"] = [" ".join(row.id for row in one) for one in shown]
            found[f"{mode} {seed} answers"] = digest([[row.completion for row in one] for one in shown])
    return found


def responses(benchmark):
    """A few hundred fixed responses to the sample's rows: right, nearly right, wrong and broken ones."""
    rng = random.Random(5)
    source = BenchmarkSource(benchmark, "sample")
    texts = [row.completion for row in source.train()]
    for row in source.evaluation():
        doc = source.document(row)
        gold = row.completion or rng.choice(texts)
        target = doc["target"] or "x"
        yield doc, gold
        yield doc, rng.choice(texts)
        yield doc, f"<think>{rng.choice(texts)}</think>\n{gold}"
        yield doc, rng.choice(
            [f"It is {target}.", f"**Answer: {target}**", f"\\boxed{{{target} }}", f"#### ${target}.00", "",
             None, f"<think>{gold}", "no " * 200, gold.upper(), f"Sure!\n{gold}\nDone."]
        )  # fmt: skip


def metrics(benchmark):
    """All metrics of the fixed responses, and what they come to."""
    spec = BENCHMARKS[benchmark]
    per_row = [spec.score(doc, text, at) for doc, text in responses(benchmark) for at in CIRCUMSTANCES]
    aggregate = aggregations(spec.metrics, task=benchmark)
    found = {"answers": len(per_row), "names": list(per_row[0]), "values": digest(per_row)}
    for name in per_row[0]:
        found[name] = aggregate[name]([row[name] for row in per_row])
    return found


def score_file(task):
    """What `icl-distill score` makes of the same responses."""
    if task == "rlvr":
        rows = [
            {"response": text, "ground_truth": row.ground_truth, "key": row.where.rpartition(" ")[2]}
            for row in load_rlvr("sample").train
            for text in (row.satisfying, row.violating)
        ]
    else:
        rows = [
            doc | {"response": text, "key": doc["id"]} for doc, text in responses(task) if text is not None
        ]
    judging = {**BENCHMARKS, **REWARD_SETS}[task].make_judge(None)
    adding = Totals(judging)
    verdicts = []
    for row in rows:
        for record in read_records(row):
            judged = judging.judge(record)
            adding.add(judged)
            verdicts.append(judged.verdict)
    return {"rows": len(rows), "verdicts": digest(verdicts), "summary": digest(adding.summary())}


def rewards():
    """RLVR-IFeval: rows, prompts and rewards."""
    data = load_rlvr("sample")
    rows = (*data.train, *data.evaluation)
    asked = [(row, text) for row in rows for text in (row.satisfying, row.violating)]
    both = [
        grade(text, row.ground_truth, reasoning=thinks).reward
        for row, text in asked
        for thinks in (False, True)
    ]
    return {
        "rows": [len(data.train), len(data.evaluation)],
        "prompts": digest([build_prompt(row.question, reasoning=True) for row in rows]),
        "rewards": digest(both),
    }


def everything(data):
    """The golden values on one source of rows."""
    return {
        name: {"prompts": prompts(name, data), "demonstrations": demonstrations(name, data)} for name in NAMES
    }


def scores():
    """The golden values that need the embedded sample only."""
    return {
        "metrics": {name: metrics(name) for name in NAMES},
        "score": {name: score_file(name) for name in (*NAMES, "rlvr")},
        "rlvr": rewards(),
    }


def shared_data():
    """The folder with copies of the real benchmarks; None where this machine has none."""
    folder = Path(os.environ.get("ICL_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")
    return str(folder) if folder.is_dir() else None


if __name__ == "__main__":
    import logging

    logging.disable(logging.CRITICAL)
    values = {"sample": everything("sample"), "real": everything(shared_data()), "scores": scores()}
    json.dump(values, sys.stdout, indent=1)
    print()
