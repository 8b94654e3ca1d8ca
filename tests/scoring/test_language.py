import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import langdetect
import langdetect_rs
import pytest

from lm_eval_tasks.scoring import language


@pytest.fixture
def texts(responses):
    halves = [text[: len(text) // 2] for text in responses.SENTENCES + responses.FOREIGN]
    mixed = [a + " " + b for a, b in zip(responses.SENTENCES, responses.FOREIGN, strict=True)]
    return [
        *responses.SENTENCES,
        *responses.FOREIGN,
        *responses.ODD,
        *halves,
        *mixed,
        "",
        "123",
        "nein, danke",
    ]


def identified(module, text):
    built, factory = language._build(module)
    detector = factory.create()
    detector.append(text)
    try:
        return detector.get_probabilities()[:1] and detector.detect()
    except built.LangDetectException:
        return None


def test_langdetect_rs_equals_langdetect(texts):
    for text in texts:
        assert identified(langdetect_rs, text) == identified(langdetect, text), text


def test_the_process_wide_seed_of_langdetect_is_left_alone():
    language.identify("Ein, zwei, drei, vier")
    assert langdetect.DetectorFactory.seed is None or langdetect.DetectorFactory.seed == 0
    assert "seed" not in vars(langdetect_rs.DetectorFactory) or langdetect_rs.DetectorFactory.seed is None


def test_threads_and_order_change_nothing(texts):
    alone = [language.identify(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(language.identify, [*texts[::-1], *texts]))
    assert together == [*alone[::-1], *alone]


def test_first_use_by_many_threads_and_without_langdetect_rs(texts):
    """In a fresh interpreter: the race that unguarded langdetect loses, on langdetect itself."""
    program = """
import sys, json
from concurrent.futures import ThreadPoolExecutor
sys.modules["langdetect_rs"] = None  # as if not installed
from lm_eval_tasks.scoring.language import identify
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(identify, json.load(sys.stdin)))))
"""
    sample = texts[:24]
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(sample), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [language.identify(text) for text in sample]
