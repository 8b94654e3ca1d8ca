"""The HTML page: what it says, what it lets through, and how large it gets."""

import base64
import hashlib
import importlib.resources
import re
from html.parser import HTMLParser

import pytest

from distill.report.collect import collect
from distill.report.html import samples
from distill.report.html.page import render
from distill.report.html.samples import sample_groups
from distill.report.markdown import Report
from lm_eval_tasks.benchmarks import BENCHMARKS

from .conftest import answer_rows, make_entry, row, write
from .pages import CONDITION, HOSTILE, embedded, gsm8k_rows, write_run


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return render(Report("A <title> & more", collect([write_run(tmp_path_factory.mktemp("run"))])))


class Reader(HTMLParser):
    """Elements with their attributes, and the text of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.raw, self._open = [], {"script": [], "style": []}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open = tag if tag in self.raw else None
        if self._open:
            self.raw[tag].append("")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.raw[self._open][-1] += data


def test_what_models_wrote_arrives_whole_and_is_never_markup(page):
    gsm8k, *_ = embedded(page)
    answers = next(prompt for prompt in gsm8k["prompts"] if prompt["id"] == "0")["answers"]
    assert {answer["text"] for answer in answers} == {HOSTILE}
    assert "<script>alert" not in page and "<img" not in page and "<b>v1" not in page
    assert len(Reader(page).raw["script"]) == 2  # the data and our own
    assert "\u2028" not in page and "\x00" not in page
    page.encode()  # a lone surrogate would have no bytes


def test_names_out_of_files_are_escaped_in_every_table(page):
    assert "Baked (&lt;b&gt;v1&lt;/b&gt; $x$ | _y_)" in page  # leaderboard
    assert "<title>A &lt;title&gt; &amp; more</title>" in page
    assert CONDITION not in page


def test_the_page_asks_for_nothing_and_allows_nothing_but_itself(page):
    reader = Reader(page)
    for tag, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href", "data", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:,")), (tag, value)
    assert not re.search(r"@import|url\((?!#)", page)
    policy = next(a["content"] for t, a in reader.elements if a.get("http-equiv"))
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (reader.raw["style"][0], reader.raw["script"][1])
    )
    assert f"style-src 'sha256-{style}'" in policy and f"script-src 'sha256-{script}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_ids_are_unique_and_references_resolve(page):
    elements = Reader(page).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for _, a in elements if a.get("href", "").startswith("#")]
    targets += re.findall(r"url\((#[^)]+)\)", page)
    assert targets and {target[1:] for target in targets} <= set(ids)


def test_figures_take_their_colours_from_the_page(page):
    figures = re.findall(r"<svg .*?</svg>", page, re.DOTALL)
    drawn = [figure for figure in figures if 'role="img"' in figure]
    assert len(drawn) == 6  # accuracy of two steps: 1; gains over base and over SFT: 2; lengths: 2; loss: 1
    for figure in drawn:
        assert "currentColor" in figure and "#000000" not in figure and "#ffffff" not in figure


def test_the_leaderboard_says_what_the_results_say(page):
    body = page[page.index('id="results"') : page.index("</tbody>", page.index('id="results"'))]
    assert body.count("<tr data-task") == 8
    assert "40.00% (4/10)" in body and "[16.8, 68.7]" in body  # base, 8-shot
    assert body.count('class="number doubtful"') == 6  # one of ten was cut


def test_the_first_cards_claim_no_more_than_the_test_shows(tmp_path, page):
    assert "cannot be told from Fine-tuned" in page  # 5 of 10 rows, one way
    rows = {name: answer_rows(right, 400) for name, right in (("baseline", 100), ("online_v1", 300))}
    measured = [(make_entry("gsm8k", r, condition=name, step=5), r) for name, r in rows.items()]
    write(tmp_path / "results.json", "checkpoints", measured)
    text = render(Report("t", collect([tmp_path])))
    assert "Baked (online_v1) beats Fine-tuned" in text
    assert re.search(r"\+50\.0 points \[45\.\d, 5[45]\.\d\], adjusted p &lt; 0\.001, 400 rows", text)


def test_the_sentence_says_no_more_than_the_rows(page):
    told = re.findall(r'<p class="sentence">(.*?)</p>', page)
    assert told[0].startswith(
        "Baked (&lt;b&gt;v1&lt;/b&gt; $x$ | _y_) answers 8 of 10 right without the prompt, the bare model "
        "2 and the prompt 4"
    )
    assert "may be chance" in told[0] and "of the gap closed" not in told[0]  # two rows are no gap
    assert len(told) == 2 and page.index('class="sentence"') < page.index('id="warnings"')
    assert page.count("<table") == page.count("<caption>") > 5
    assert "Section 1" not in page and "Section 4" not in page


def test_warnings_stand_before_the_scores(tmp_path):
    rows = gsm8k_rows({1})
    other = make_entry("gsm8k", rows, condition="v", step=1, request__backend="hf")
    entries = [make_entry("gsm8k", rows), other]
    write(tmp_path / "results.json", "checkpoints", [(entry, rows) for entry in entries])
    text = render(Report("t", collect([tmp_path])))
    assert text.index("the backend differs, so these scores do not compare") < text.index('id="results"')
    assert text.index("1 of 10 responses were cut at 512 tokens") < text.index('id="results"')


@pytest.mark.parametrize(
    ("benchmark", "response", "answer"),
    [
        ("gsm8k", "so\n#### 1,234", "1234"),
        ("gsm8k", "no number", None),
        ("csqa", "Answer: B", "B"),
        ("csqa", "the bank", "B"),  # an option's text is an answer too
        ("math", r"thus \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("math", "<think>\\boxed{1}", None),
    ],
)
def test_the_extracted_answer_is_the_scorers(benchmark, response, answer):
    question = "Where is money?\nA. park\nB. the bank\nC. sea\nD. sky\nE. bin\n\nReply with the letter"
    target = {"gsm8k": "1", "csqa": "B", "math": "1"}[benchmark]
    one = row(1, unclosed_think="<think>" in response) | {"question": question, "target": target}
    assert BENCHMARKS[benchmark].extract(one | {"response": response}) == answer


def report_of(tmp_path, *columns):
    measured = []
    for number, rows in enumerate(columns):
        entry = make_entry("gsm8k", rows, condition=f"v{number}", step=1)
        measured.append((entry | {"samples": f"samples/{number}.jsonl"}, rows))
    write(tmp_path / "results.json", "checkpoints", measured)
    return Report("t", collect([tmp_path]))


def test_of_many_prompts_those_that_differ_come_first(tmp_path):
    size = samples.MAX_PROMPTS * 2
    first, second = gsm8k_rows(set(), size), gsm8k_rows({5, size - 2}, size)
    (group,) = sample_groups(report_of(tmp_path, first, second))
    assert (group["total"], group["differing"]) == (size, 2)
    assert len(group["prompts"]) == samples.MAX_PROMPTS
    assert [prompt["id"] for prompt in group["prompts"][:2]] == ["5", str(size - 2)]
    assert sample_groups(report_of(tmp_path, first, second)) == [group]  # seeded
    numbers = [int(prompt["id"]) for prompt in group["prompts"][2:]]
    assert numbers == sorted(numbers) and max(numbers) > samples.MAX_PROMPTS  # not just the first ones


def test_long_responses_are_cut_and_the_page_stays_within_its_room(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "MAX_TEXT", 100_000)
    rows = gsm8k_rows(set(), 60, response="x" * 7000 + " {}")
    (group,) = sample_groups(report_of(tmp_path, rows))
    assert 15 <= len(group["prompts"]) <= 21
    prompt = group["prompts"][-1]
    (answer,), whole = prompt["answers"], rows[int(prompt["id"])]["response"]
    assert answer["left_out"] == len(whole) - 5000
    assert (answer["text"], answer["tail"]) == (whole[:4000], whole[-1000:])


def test_a_prompt_that_was_asked_otherwise_is_not_shown_as_the_same(tmp_path):
    first, second = gsm8k_rows({1}, 3), gsm8k_rows({1}, 3)
    second[1]["question"] = "Something else?"
    (group,) = sample_groups(report_of(tmp_path, first, second))
    answers = {prompt["id"]: prompt["answers"] for prompt in group["prompts"]}
    assert answers["1"][1] is None and answers["2"][1] is not None


def test_template_style_and_scripts_are_package_data():
    folder = importlib.resources.files("distill.report.html") / "templates"
    names = {"report.html.j2", "macros.html.j2", "report.css"}
    names |= {"leaderboard.js", "answers.js", "samples.js", "page.js"}
    assert {file.name for file in folder.iterdir()} == names
    for name in names:
        text = (folder / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) < 250 and "innerHTML" not in text
