"""What must not change by itself: prompts, demonstrations, documents and metrics of every benchmark, as digests.

    python -m tests.lm_eval_tasks.golden > tests/lm_eval_tasks/golden.json

A digest that changes on purpose is a change of a task: see "Scores" in CONTRIBUTING.md.
"""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

from lm_eval_tasks.datasets import load_evaluation, load_pool, load_train
from lm_eval_tasks.demonstrations import DemonstrationPicker, without_overlap
from lm_eval_tasks.harness import _doc as document
from lm_eval_tasks.prompts import build_messages, to_plain_text
from lm_eval_tasks.results import METRICS, Circumstances
from lm_eval_tasks import results
from lm_eval_tasks.rewards import grade
from lm_eval_tasks.rlvr_data import load_rlvr
from lm_eval_tasks.rlvr_prompts import build_prompt
from lm_eval_tasks.datasets import BENCHMARKS
from lm_eval_tasks.scoring.records import read_records
from lm_eval_tasks.scoring.tasks import make_task
from lm_eval_tasks.scoring.totals import Totals


def score(benchmark, doc, response, at):
    return getattr(results, f"score_{benchmark}")(doc, [response], at)


def aggregate(benchmark, name, values):
    return METRICS[name].aggregation(values)


def evaluation(benchmark, data):
    return load_evaluation(benchmark, data)


def train(benchmark, data):
    return load_train(benchmark, data)


def pool(benchmark, data):
    return without_overlap(load_pool(benchmark, data)[0], evaluation(benchmark, data))[0]


def judge(task):
    return make_task(task, None)


def totals(task, judge):
    return Totals(task, judge.metrics)


NAMES = ("gsm8k", "csqa", "math", "ifeval")
MODES = ("fixed", "per_example", "shuffled", "zero")
CIRCUMSTANCES = (Circumstances(), Circumstances(truncated=True), Circumstances(truncated=False, opens_thinking=True))


def digest(value):
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:16]


def prompts(benchmark, data):
    """Digests of all prompts without and with demonstrations, as messages and as plain text."""
    asked, rows = evaluation(benchmark, data), pool(benchmark, data)
    found = {"rows": [len(asked), len(rows)], "ids": digest([row.id for row in asked])}
    for k in (0, BENCHMARKS[benchmark].num_fewshot):
        shown = DemonstrationPicker(rows, k)
        messages = [build_messages(row, shown.pick(row), system="Be brief." if k else None) for row in asked]
        found[f"{k}-shot"] = digest(messages)
        found[f"{k}-shot plain text"] = digest([to_plain_text(one) for one in messages])
    found["documents"] = digest([document(row) for row in asked])
    return found


def demonstrations(benchmark, data):
    """Ids and answers of what is shown, by mode and seed."""
    asked, rows = evaluation(benchmark, data), pool(benchmark, data)
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
    solved = train(benchmark, "sample")
    texts = [row.completion for row in solved]
    for row in evaluation(benchmark, "sample"):
        doc = document(row)
        gold = row.completion or rng.choice(texts)
        target = doc["target"] or "x"
        yield doc, gold
        yield doc, rng.choice(texts)
        yield doc, f"<think>{rng.choice(texts)}</think>\n{gold}"
        yield doc, rng.choice(
            [f"It is {target}.", f"**Answer: {target}**", f"\\boxed{{{target} }}", f"#### ${target}.00", "", None,
             f"<think>{gold}", "no " * 200, gold.upper(), f"Sure!\n{gold}\nDone."]
        )  # fmt: skip


def metrics(benchmark):
    """All metrics of the fixed responses, and what they come to."""
    per_row = [score(benchmark, doc, text, at) for doc, text in responses(benchmark) for at in CIRCUMSTANCES]
    found = {"answers": len(per_row), "names": list(per_row[0]), "values": digest(per_row)}
    for name in per_row[0]:
        if not name.startswith("type/"):
            found[name] = aggregate(benchmark, name, [row[name] for row in per_row])
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
        rows = [doc | {"response": text, "key": doc["id"]} for doc, text in responses(task) if text is not None]
    judging = judge(task)
    adding = totals(task, judging)
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
    both = [grade(text, row.ground_truth, reasoning=thinks).reward
            for row in rows for text in (row.satisfying, row.violating) for thinks in (False, True)]  # fmt: skip
    return {
        "rows": [len(data.train), len(data.evaluation)],
        "prompts": digest([build_prompt(row.question, reasoning=True) for row in rows]),
        "rewards": digest(both),
    }


def everything(data):
    """The golden values on one source of rows."""
    return {name: {"prompts": prompts(name, data), "demonstrations": demonstrations(name, data)} for name in NAMES}


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
