"""Metrics by name: what each accepts, what fails closed, and agreement with lm-eval's own exact_match."""

import json
import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.api.metrics import exact_match_hf_evaluate

from lm_eval_tasks.benchmarks import BENCHMARKS, REWARD_SETS
from lm_eval_tasks.benchmarks.metric import resolve_metric
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.scoring.json_match import json_equal
from lm_eval_tasks.scoring.named import METRICS, Judgement


def score(spec, reply, target="A", **reference):
    return resolve_metric(spec).score(reply, {"target": target, **reference})


@pytest.fixture
def module(tmp_path, monkeypatch):
    """`module(text)`: the name of an importable module with that text."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(text):
        name = f"metric_{random.randrange(10**12)}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return make


@pytest.mark.parametrize("spec", [*METRICS, "operator:contains"])
@pytest.mark.parametrize(
    "reply", [None, "", " \n", "<think>A", "<think>A</think>", "<think>A</think> \n", "A</think>"]
)
def test_no_answer_is_wrong(spec, reply):
    assert score(spec, reply, choices=["A", "B"]) == 0.0


@pytest.mark.parametrize(
    ("spec", "target"),
    [("exact_match", "A"), ("json_match", "3"), ("contains", "A"), ("numeric", "3"), ("choice", "A")],
)
def test_thinking_is_split_off_first(spec, target):
    reference = {"choices": ["a", "b"]}
    assert score(spec, f"<think>B, or 4?</think>\n\n{target}", target, **reference) == 1.0
    assert score(spec, f"<think>{target}</think>\n\nno", target, **reference) == 0.0
    metric = resolve_metric(spec)
    assert metric.score(f"so </think>{target}", {"target": target} | reference, opened_in_prompt=True) == 1.0
    assert metric.score(target, {"target": target} | reference, opened_in_prompt=True) == 0.0


class TestExactMatch:
    OPTIONS = ("ignore_case", "ignore_punctuation", "ignore_numbers")

    def test_agrees_with_lm_eval_on_random_pairs(self):
        rng = random.Random(0)
        letters = "aAbB12.,! $\n" + "äÄß"
        right = 0
        for _ in range(600):
            target = "".join(rng.choices(letters, k=rng.randint(1, 6)))
            reply = "".join(
                rng.choice((c, c, c, c.swapcase(), c + rng.choice(".1"), rng.choice(letters))) for c in target
            )
            options = {name: True for name in self.OPTIONS if rng.random() < 0.6}
            if rng.random() < 0.3:
                options["regexes_to_ignore"] = rng.choice(([","], [r"\$", "(?i)a"], [r"\s+"]))
            spec = "exact_match:" + ",".join(f"{name}={json.dumps(value)}" for name, value in options.items())
            theirs = exact_match_hf_evaluate([reply], [target], **options)["exact_match"]
            # An empty reply fails closed here; what makes it blank is not the same as what lm-eval removes.
            assert score(spec, reply, target) == (theirs if reply.strip() else 0.0), (reply, target, options)
            right += theirs
        assert 150 < right < 500, "both verdicts are compared"

    def test_white_space_counts(self):
        assert score("exact_match", "A\n") == 0.0
        assert score(r'exact_match:regexes_to_ignore=["\\s+"]', " A\n") == 1.0

    def test_options_with_commas_in_a_pattern(self):
        spec = 'exact_match:regexes_to_ignore=[",", "a,b"],ignore_case=true'
        assert score(spec, "1,000 A", "1000 a") == 1.0


class TestJsonMatch:
    @pytest.mark.parametrize(
        ("reply", "target"),
        [
            ('{"b": 1, "a": [2, "x"]}', '{"a": [2.0, "x"], "b": 1}'),
            ("3", "3.0"),
            ("3e0", "3"),
            (" \n[1]\n", "[1]"),
            ('```json\n{"a": 1}\n```', '{"a":1}'),
            ('```\n{"a": "```"}\n```\n', '{"a": "```"}'),
            ('"\\u00e4"', '"ä"'),
            ("null", "null"),
        ],
    )
    def test_equal(self, reply, target):
        assert json_equal(reply, target)
        assert score("json_match", reply, target) == 1.0

    @pytest.mark.parametrize(
        ("reply", "target"),
        [
            ("true", "1"),
            ("[false]", "[0]"),
            ('{"a": 1, "a": 1}', '{"a": 1}'),
            ('{"a": {"b": 1, "b": 1}}', '{"a": {"b": 1}}'),
            ('Sure: {"a": 1}', '{"a": 1}'),
            ('{"a": 1} {"a": 1}', '{"a": 1}'),
            ('```json\n{"a": 1}\n```\nDone.', '{"a": 1}'),
            ('```python\n{"a": 1}\n```', '{"a": 1}'),
            ("{'a': 1}", '{"a": 1}'),
            ('"3"', "3"),
            ("[1, 2]", "[2, 1]"),
            ('{"a": null}', "{}"),
            ("NaN", "NaN"),
            ("1e999", "1e999"),
            ("Infinity", "Infinity"),
            ("9" * 5000, "9" * 5000),
            ("[" * 10**5 + "]" * 10**5, "[]"),
            ('["boolean", true]', "true"),
        ],
    )
    def test_not_equal(self, reply, target):
        assert not json_equal(reply, target)

    SCALAR = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
    )
    JSON = st.recursive(
        SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    )

    @given(JSON, st.booleans(), st.booleans())
    def test_a_value_equals_itself_however_it_is_written(self, value, ascii_only, fenced):
        text = json.dumps(_reversed(value), ensure_ascii=ascii_only, indent=2)
        assert json_equal(f"```json\n{text}\n```" if fenced else f" {text}\n", json.dumps(value))

    @given(JSON, JSON)
    def test_is_symmetric_and_tells_values_apart(self, one, other):
        one_text, other_text = json.dumps(one), json.dumps(other)
        assert json_equal(one_text, other_text) == json_equal(other_text, one_text) == _same(one, other)

    @given(JSON, st.text(string.ascii_letters, min_size=1))
    def test_text_around_it_is_no_match(self, value, noise):
        assert not json_equal(f"{noise} {json.dumps(value)}", json.dumps(value))

    @given(st.text())
    def test_never_raises(self, text):
        json_equal(text, "{}")


def _reversed(value):
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def _same(one, other):
    """A second opinion: equal in Python, with booleans only equal to booleans."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


@pytest.mark.parametrize(
    ("spec", "reply", "target", "right"),
    [
        ("contains", "It is A.", "A", True),
        ("contains", "It is a.", "A", False),
        ("contains:ignore_case=true", "It is a.", "A", True),
        ("contains", "It is.", "A", False),
        ("numeric", "First 3, then $1,234.50.", "1234.5", True),
        ("numeric", "12", "so 2 + 10 = 12", True),
        ("numeric", "none", "12", False),
        ("numeric", "12.01", "12", False),
        ("numeric:tolerance=0.01", "12.01", "12", True),
        ("numeric:tolerance=1", "12.01", "12", True),
        ("numeric:tolerance=0.01", "12.011", "12", False),
    ],
)
def test_contains_and_numeric(spec, reply, target, right):
    assert score(spec, reply, target) == float(right)


class TestChoice:
    CHOICES = ("bank", "river side", "B")

    @pytest.mark.parametrize(
        "reply",
        [
            "B", "b", "(B)", "B.", "**B**", "B) river side", "river side", "River side.", "Answer: B",
            "The answer is (B).", "It flows.\nThe answer is B", "The correct option is: river side",
            "The answer is A? No.\nAnswer: B",
        ],
    )  # fmt: skip
    def test_right(self, reply):
        assert score("choice", reply, "river side", choices=self.CHOICES[:2]) == 1.0
        assert score("choice", reply, "B", choices=self.CHOICES[:2]) == 1.0
        assert score("choice", reply, "A", choices=self.CHOICES[:2]) == 0.0

    @pytest.mark.parametrize(
        "reply",
        ["A", "C", "A or B", "A, B", "B) bank", "Because", "Answer: A or B", "bank or river side", "?"],
    )
    def test_wrong(self, reply):
        assert score("choice", reply, "B", choices=self.CHOICES[:2]) == 0.0

    def test_a_text_that_is_another_options_letter_is_ambiguous(self):
        assert score("choice", "B", "B", choices=self.CHOICES) == 0.0
        assert score("choice", "C", "B", choices=self.CHOICES) == 1.0, "the text of an option is what it says"

    def test_too_many_options(self):
        reference = {"target": "0", "choices": [str(i) for i in range(27)]}
        with pytest.raises(UserError, match="2 to 26 options, not 27"):
            resolve_metric("choice").check(reference)


class TestFunction:
    def test_is_called_with_reply_and_reference(self, module):
        name = module(
            "def polite(reply, reference) -> bool:\n    return reply.startswith(reference['word'])\n"
            "def share(reply: str, reference) -> float:\n    return len(reply) / 10\n"
            "class Holder:\n    @staticmethod\n    def inner(reply, reference):\n        return 1\n"
        )
        polite, share = resolve_metric(f"{name}:polite"), resolve_metric(f"{name}:share")
        assert (polite.name, polite.binary, share.binary) == ("polite", True, False)
        assert polite.score("<think>x</think>Dear", {"word": "Dear"}) == 1.0
        assert share.score("12345", {}) == 0.5
        assert resolve_metric(f"{name}:Holder.inner").score("x", {}) == 1.0

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("reference['nothing']", "KeyError: 'nothing'"),
            ("2", "returned 2, which is neither"),
            ("-0.1", "returned -0.1"),
            ("float('nan')", "returned nan"),
            ("None", "returned None"),
            ("'1'", "returned '1'"),
            ("[1]", "returned [1]"),
        ],
    )
    def test_what_fails_on_a_row_is_wrong_and_says_why(self, module, body, message):
        metric = resolve_metric(module(f"def f(reply, reference):\n    return {body}\n") + ":f")
        judgement = metric.judge("x", {})
        assert judgement.score == 0.0
        assert message in judgement.error
        assert resolve_metric("exact_match").judge(None, {"target": "x"}).error == "the model gave no text"

    @pytest.mark.parametrize(
        ("text", "spec", "message"),
        [
            ("", "no_such_module_xyz:f", "no module named 'no_such_module_xyz'"),
            ("import no_such_thing_xyz", "{}:f", "no module named 'no_such_thing_xyz'"),
            ("raise RuntimeError('broken')", "{}:f", "raised RuntimeError: broken"),
            ("def f(:", "{}:f", "raised SyntaxError"),
            ("x = 3", "{}:f", "has no attribute 'f'"),
            ("f = 3", "{}:f", "is of type int, not a function"),
            ("class f: pass", "{}:f", "is of type type, not a function"),
            ("def f(reply): pass", "{}:f", "f(reply) cannot be called with (reply, reference)"),
        ],
    )
    def test_what_cannot_be_imported(self, module, text, spec, message):
        spec = spec.format(module(text))
        with pytest.raises(UserError, match=re.escape(message)) as error:
            resolve_metric(spec)
        assert spec in str(error.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("exactmatch", "there is no 'exactmatch'; did you mean 'exact_match'?"),
        ("", "there is no ''; Choose from exact_match, json_match"),
        ("bleu", "name a function of your own as module:function"),
        (":f", "there is no ':f'"),
        ("exact_match:ignorecase=true", "did you mean ignore_case=...?"),
        ("exact_match:ignore_case", "is no option of it"),
        ("exact_match:ignore_case=yes", "ignore_case is 'yes'; it must be true or false"),
        ("exact_match:regexes_to_ignore=a", "it must be a JSON list"),
        ('exact_match:regexes_to_ignore=["("]', "is no regular expression"),
        ("exact_match:regexes_to_ignore=[3]", "is no regular expression"),
        ("numeric:tolerance=x", "tolerance is 'x'; it must be a number"),
        ("numeric:tolerance=-1", "tolerance is -1.0; it must be 0 or more"),
        ("numeric:tolerance=NaN", "tolerance is nan; it must be 0 or more"),
        ("json_match:strict=true", "it has none"),
    ],
)
def test_wrong_specs(spec, message):
    with pytest.raises(UserError, match=re.escape(message)):
        resolve_metric(spec)


def test_names_and_kinds():
    metric = resolve_metric("numeric:tolerance=0.5")
    assert (metric.name, metric.spec, metric.binary) == ("numeric", "numeric:tolerance=0.5", True)


class TestScorersOfBenchmarks:
    """By name, each by its own strict number, from the columns of the row."""

    @pytest.mark.parametrize(
        ("name", "right", "wrong", "reference"),
        [
            ("gsm8k", "So:\n#### 1,010", "1010", {"target": "1010"}),
            ("gsm8k", "<think>#### 4</think>\n#### 5", "<think>#### 5", {"target": "2 + 3 = 5\n#### 5"}),
            ("csqa", "Answer: B", "bank", {"target": "B", "choices": ["a", "bank"]}),
            ("math", "\\boxed{\\frac12}", "\\boxed{0.5}", {"target": "It is $\\boxed{\\frac12}$."}),
            (
                "ifeval", "this is a plain answer in english.", "This is a plain answer in English.",
                {"instruction_id_list": ["change_case:english_lowercase"], "kwargs": [{}]},
            ),
            (
                "rlvr", "yes indeed", "Yes indeed",
                {"ground_truth": json.dumps({"func_name": "validate_lowercase"})},
            ),
        ],
    )  # fmt: skip
    def test_judges(self, name, right, wrong, reference):
        metric = resolve_metric(name)
        assert (metric.name, metric.spec, metric.binary) == (name, name, True)
        metric.check(reference)
        assert [metric.judge(reply, reference) for reply in (right, wrong, "")] == [
            Judgement(1.0), Judgement(0.0), Judgement(0.0),
        ]  # fmt: skip

    @pytest.mark.parametrize("name", [*BENCHMARKS, *REWARD_SETS])
    def test_a_row_that_lacks_what_it_judges_by(self, name):
        metric = resolve_metric(name)
        with pytest.raises(UserError):
            metric.check({"target": "?" * (name not in ("math",)), "ground_truth": "x"})
        assert metric.judge("#### 4", {}).error

    def test_every_one_is_named_where_none_is_meant(self):
        with pytest.raises(UserError, match="did you mean 'gsm8k'"):
            resolve_metric("gsm8")
        with pytest.raises(UserError, match=", ".join([*METRICS, *BENCHMARKS, *REWARD_SETS])):
            resolve_metric("none of them")
        with pytest.raises(
            UserError, match="metric 'gsm8k': 'flexible=true' is no option of it; it has none"
        ):
            resolve_metric("gsm8k:flexible=true")
