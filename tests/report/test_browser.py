"""The page in a real Chromium: what a reader clicks, types and sees; see `tests/browser.py`."""

import json

import pytest

from distill.report.collect import collect
from distill.report.html.page import render
from distill.report.markdown import Report
from tests.browser import click, find, open_chromium, press, select, show, texts, violations

from .pages import CONDITION, HOSTILE, write_run

BAKED = f"Baked ({CONDITION})"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with open_chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    target = folder / "index.html"
    target.write_text(render(Report("Results", collect([write_run(folder / "run")]))), encoding="utf-8")
    return target


@pytest.fixture
def page(chromium, file):
    """The page freshly opened; at the end, nothing may stand on the console."""
    show(chromium, 1280)
    chromium.get(file.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []
    assert chromium.title == "Results"  # no script of a model changed it
    resources = chromium.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
    assert [name for name in resources if not name.startswith("data:")] == []


def column(driver, name):
    names = [button.text for button in find(driver, "#results thead button")]
    place = names.index(name) + 1
    return texts(driver, f"#results tbody tr > :nth-child({place})")


def header(driver, name):
    return next(cell for cell in find(driver, "#results thead th") if cell.text == name)


def test_a_click_sorts_by_number_best_first_and_a_second_turns_it_round(page):
    score = header(page, "Score")
    assert score.get_attribute("aria-sort") == "none"
    click(score)
    rates = [float(text.split("%")[0]) for text in column(page, "Score")]
    assert rates == sorted(rates, reverse=True) and rates[0] == 80 and len(rates) == 8
    assert score.get_attribute("aria-sort") == "descending"
    click(score)
    rates = [float(text.split("%")[0]) for text in column(page, "Score")]
    assert rates == sorted(rates) and score.get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_too(page):
    from selenium.webdriver.common.keys import Keys

    page.execute_script("arguments[0].querySelector('button').focus()", header(page, "Result"))
    press(page, Keys.ENTER)
    assert header(page, "Result").get_attribute("aria-sort") == "ascending"
    assert column(page, "Result") == sorted(column(page, "Result"))
    press(page, Keys.TAB, Keys.SPACE)
    assert header(page, "Score").get_attribute("aria-sort") == "descending"
    assert header(page, "Result").get_attribute("aria-sort") == "none"


def test_filters_choose_results_and_samples(page):
    select(page, "#task", "IFEval")
    assert set(column(page, "Task")) == {"IFEval"} and texts(page, "#count") == ["2 of 8 results"]
    assert texts(page, "#place") == ["1 of 1"]
    assert texts(page, "#sample .answer h4") == ["Bare model\n✗ wrong", f"{BAKED}\n✗ wrong"]
    for box in find(page, "input[name=condition]"):
        if box.get_attribute("value") == "base":
            click(box)
    assert column(page, "Result") == [BAKED]
    assert texts(page, "#sample .answer h4") == [f"{BAKED}\n✗ wrong"]


def test_the_sample_browser_shows_every_constraints_verdict(page):
    select(page, "#task", "IFEval")
    first, second = find(page, "#sample .answer")
    assert texts(first, ".constraints li") == ["✓ punctuation:no_comma", "✗ detectable_format:title"]
    assert texts(second, ".constraints li")[0] == "✗ punctuation:no_comma (kept in a loose reading)"
    assert len(find(first, ".verdict.right")) == 1
    assert texts(first, ".response") == ["<<Title>> a poem"]


def test_the_sample_browser_shows_gold_and_extracted_answers_side_by_side(page):
    assert texts(page, "#sample .question h3") == ["GSM8K, prompt 2 conditions differ"]
    assert texts(page, "#sample .gold") == ["Gold answer: 2"]
    assert texts(page, "#sample .found") == [
        "Extracted: 1002",
        "Extracted: 2",
        "Extracted: 2",
        "Extracted: 2",
    ]
    tops = {card.location["y"] for card in find(page, "#sample .answer")[:2]}
    assert len(tops) == 1
    assert texts(page, "#sample mark") == ["1002", "2", "2", "2"]


def test_search_differing_and_keys_walk_through_the_prompts(page):
    from selenium.webdriver.common.keys import Keys

    assert texts(page, "#place") == ["1 of 13"]  # two of them held-out answers
    select(page, "#which", "where conditions differ")
    assert texts(page, "#place") == ["1 of 9"]  # eight of GSM8K and the one of IFEval
    search = find(page, "#search")[0]
    search.send_keys("APPLES")
    assert texts(page, "#place") == ["1 of 8"]
    search.send_keys(Keys.ARROW_RIGHT)  # moves the cursor, not the prompt
    assert texts(page, "#place") == ["1 of 8"]
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys("what is 4 apples")
    assert texts(page, "#place") == ["1 of 1"] and texts(page, "#sample .gold") == ["Gold answer: 4"]
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys("nowhere")
    assert texts(page, "#place") == ["no prompt fits"] and not find(page, "#sample *")
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys(Keys.DELETE)
    click(find(page, "#next")[0])
    assert texts(page, "#place") == ["2 of 9"]
    press(page, Keys.ARROW_RIGHT, "j")
    assert texts(page, "#place") == ["4 of 9"]
    press(page, Keys.ARROW_LEFT, "k", "k", "k")
    assert texts(page, "#place") == ["1 of 9"]
    assert len(find(page, "#prompts [aria-current]")) == 1
    click(find(page, "#prompts button")[5])
    assert texts(page, "#place") == ["6 of 9"]


def test_hostile_text_is_shown_as_it_is(page):
    find(page, "#search")[0].send_keys("<script>")
    assert texts(page, "#place") == ["1 of 1"]
    # As JSON, because a lone surrogate has no bytes for the way here.
    shown = json.loads(
        page.execute_script("return JSON.stringify(document.querySelector('#sample .response').textContent)")
    )
    assert shown == HOSTILE.replace("\x00", "\u2400").replace("\x1b", "\u241b")
    assert not find(page, "#sample script, #sample img")
    assert texts(page, "#sample .answer h4")[-1].startswith(BAKED)


def test_a_reader_finds_what_the_prompt_knew_and_the_student_did_not(page):
    select(page, "#which", "student right, prompt wrong")
    assert texts(page, "#place") == ["1 of 4"]  # 5 to 8
    marks = [text.split("\n")[1] for text in texts(page, "#sample .answer h4")]
    assert marks == ["✗ wrong", "✗ wrong", "✗ wrong", "✓ right"]
    select(page, "#which", "prompt right, student wrong")
    assert texts(page, "#place") == ["no prompt fits"]
    click(find(page, 'input[value="baseline"]')[0])
    select(page, "#which", "student right, prompt wrong")
    assert texts(page, "#place") == ["1 of 4"]


def test_a_row_has_an_address_and_can_be_copied(page, file):
    assert "#" not in page.current_url
    click(find(page, "#prompts button")[5])
    (title,) = texts(page, "#sample .question h3")
    (link,) = find(page, "#sample .tools a")
    assert page.current_url == link.get_attribute("href") and "#sample=GSM8K/" in page.current_url
    page.get("about:blank")
    page.get(link_to := f"{file.as_uri()}#sample=GSM8K/{title.split('prompt ')[1].split()[0]}")
    assert texts(page, "#sample .question h3") == [title] and page.current_url == link_to
    page.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    click(find(page, "#sample .tools button")[0])
    assert texts(page, "#sample .tools button") == ["Copied"]
    copied = json.loads(page.execute_script("return window.copied"))
    assert copied["task"] == "GSM8K" and f"prompt {copied['id']}" in title
    assert list(copied["answers"])[-1] == BAKED and copied["answers"][BAKED]["right"] in (True, False)


def test_what_is_read_before_a_question_is_folded_and_tokens_are_shaded(page):
    (folded,) = find(page, "#sample .question details")
    assert folded.text == "What the prompted model reads before it (29 characters)"
    click(find(folded, "summary")[0])
    assert texts(page, "#sample .shared") == ["<b>Four solved questions</b>\n"[:-1]]
    select(page, "#which", "token by token")
    before, after = find(page, "#sample .answer")
    assert texts(before, ".response") == ["two plus"]
    assert [one.get_attribute("class") for one in find(before, ".response span")] == ["shade-5", "shade-1"]
    assert [one.get_attribute("class") for one in find(after, ".response span")] == ["shade-2", ""]
    assert texts(after, ".note") == ['Mean 0.11 nats a token; most: "two" 0.21, " plus" 0.01']


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_nothing_seriously_wrong(page, width, scheme):
    show(page, width, scheme)
    assert violations(page) == []
    page.execute_script("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    select(page, "#which", "token by token")
    assert violations(page) == []


def test_what_is_folded_opens_for_a_link_and_on_paper(page):
    assert not texts(page, ".warnings li")
    click(find(page, ".facts a")[0])
    assert len(texts(page, ".warnings li")) == 6
    closed = "return document.querySelectorAll('details:not([open])').length"
    was = page.execute_script(closed)
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert was and page.execute_script(closed) == 0
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(closed) == was


def test_reasons_of_doubt_are_read_without_a_pointer(page):
    show(page, 390)
    (reason, *_) = find(page, "#results .reason summary")
    page.execute_script("arguments[0].focus()", reason)
    press(page, " ")
    assert "1 of 10 responses were cut at 512 tokens" in texts(page, "#results .reason")[0]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_scrolls_sideways(page, width):
    show(page, width)
    size, room = page.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert size == room and room <= width
    wide = page.execute_script(
        "return [...document.querySelectorAll('main > section *')].filter(e => !e.closest('.scroll, svg') && "
        "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    assert find(page, "#next")[0].rect["height"] >= 24  # a finger finds it


def test_dark_mode_is_readable(page):
    def contrast(selector):
        return page.execute_script(
            """
            const light = (colour) => {
              const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
              const linear = parts.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
              return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
            };
            const element = document.querySelector(arguments[0]), style = getComputedStyle(element);
            const none = "rgba(0, 0, 0, 0)";
            let paper = element;
            while (getComputedStyle(paper).backgroundColor === none) paper = paper.parentElement;
            const ink = element.matches("svg *") ? style.fill : style.color;
            const pair = [light(ink), light(getComputedStyle(paper).backgroundColor)].sort((a, b) => b - a);
            return (pair[0] + 0.05) / (pair[1] + 0.05);
            """,
            selector,
        )

    inks = ("body", ".note", ".warnings li", ".verdict.right", ".verdict.wrong", ".chip.flag")
    inks += (".panel text", "nav a")
    find(page, "#search")[0].send_keys("9 apples")  # the one that was cut
    page.execute_script("document.querySelectorAll('.warnings details').forEach((one) => (one.open = true))")
    for scheme in ("light", "dark"):
        show(page, 1280, scheme)
        assert min((contrast(ink), ink) for ink in inks) >= (4.5, ""), scheme
    paper = "return getComputedStyle(document.body).backgroundColor"
    assert page.execute_script(paper) == "rgb(20, 24, 29)"
    show(page, 1280, "dark", media="print")
    assert page.execute_script(paper) == "rgb(255, 255, 255)"


def test_on_paper_nothing_is_hidden_behind_a_scroll_bar(page):
    show(page, 1000, media="print")
    assert not find(page, "nav")[0].is_displayed() and not find(page, "#filters")[0].is_displayed()
    cut = page.execute_script(
        "return [...document.querySelectorAll('.warnings ul, .response, .tall')].filter("
        "e => e.scrollHeight > e.clientHeight + 1 && getComputedStyle(e).overflowY !== 'visible').length"
    )
    assert cut == 0
