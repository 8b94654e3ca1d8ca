"""A small run whose responses try everything that can break a page."""

import json
from pathlib import Path

from .conftest import make_entry, row, write

HOSTILE = (
    "<script>alert(1)</script> </script><img src=x onerror=alert(2)> <!-- ]]> &amp; \u2028 \u2029 "
    "\x00 \x1b[31m \ud800 \u202e {{ 7 * 7 }} 'quotes\" #### 18"
)
CONDITION = "<b>v1</b> $x$ | _y_"
"""A condition's name: of a folder, so anything."""


SHARED = "<b>Four solved questions</b>\n"
TOKENS = {
    "rows": {"id": ["h1", "h2"], "tokens": [["a"], ["two", " plus"]]},
    "steps": {"0": [[0.0], [3.0, 0.1]], "20": [[0.0], [0.21, 0.01]]},
}
"""As training writes them beside the checkpoints of a condition."""


def gsm8k_rows(right: set[int], total: int = 10, response: str = "so it is\n#### {}") -> list[dict]:
    rows = []
    for number in range(total):
        answer = number if number in right else number + 1000
        verdicts = {"strict_acc": number in right, "flexible_acc": number in right, "no_answer": False}
        text = {"question": f"What is {number} apples?", "target": str(number)}
        text["response"] = HOSTILE if number == 0 else response.format(answer)
        rows.append(row(number, truncated=number == 9, **verdicts) | text)
    return rows


def ifeval_rows(first: bool, second: bool) -> list[dict]:
    strict = [first, second]
    levels = {"inst_level_strict_acc": strict, "inst_level_loose_acc": [True, second]}
    whole = {"prompt_level_strict_acc": all(strict), "prompt_level_loose_acc": second}
    text = {"question": "Write a poem. No commas, and a title.", "response": "<<Title>> a poem"}
    names = {"instruction_id_list": ["punctuation:no_comma", "detectable_format:title"]}
    return [row(7, truncated=False, **whole, **levels) | text | names]


def write_run(folder: Path) -> Path:
    """GSM8K with four subjects, the last of a hostile name, and IFEval with two."""
    gsm8k = [("base", None, 0, {1, 9}), ("base", None, 8, {1, 2, 3, 4}), ("baseline", 20, 0, {1, 2, 3})]
    gsm8k += [
        ("baseline", 10, 0, {1, 2}),
        (CONDITION, 10, 0, {2}),
        (CONDITION, 20, 0, {1, 2, 3, 4, 5, 6, 7, 8}),
    ]
    measured = []
    for condition, step, k, right in gsm8k:
        rows = gsm8k_rows(right)
        entry = make_entry("gsm8k", rows, condition=condition, step=step, k=k)
        if k:
            entry |= {"view": "prompted", "prompts": entry["prompts"] | {"shared": SHARED}}
        measured.append((entry | {"samples": f"samples/g{len(measured)}.jsonl"}, rows))
    write(folder / "gsm8k" / "results.json", "checkpoints", measured)
    checkpoint = folder / "gsm8k" / CONDITION / "checkpoint-20"
    checkpoint.mkdir(parents=True)
    log = [{"step": step, "loss": 1 / step} for step in (10, 20)]
    (checkpoint / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    (checkpoint.parent / "divergence_tokens.json").write_text(json.dumps(TOKENS))
    measured = []
    for condition, step, verdicts in (("base", None, (True, False)), (CONDITION, 20, (False, False))):
        rows = ifeval_rows(*verdicts)
        entry = make_entry("ifeval", rows, condition=condition, step=step)
        measured.append((entry | {"samples": f"samples/i{len(measured)}.jsonl"}, rows))
    write(folder / "ifeval" / "results.json", "checkpoints", measured)
    return folder


def embedded(page: str) -> list[dict]:
    """The samples that a page carries."""
    begin = page.index(">", page.index('id="data"')) + 1
    return json.loads(page[begin : page.index("</script>", begin)])
