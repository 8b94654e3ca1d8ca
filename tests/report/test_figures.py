"""Figures show the numbers they are given, in every form, and differ without colour."""

from itertools import pairwise
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from distill.report.collect import collect
from distill.report.figure import Drawing, bar_style, line_style, save
from distill.report.markdown import Report

from .pages import CONDITION, write_run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return report_drawings(write_run(tmp_path_factory.mktemp("run")))


def report_drawings(folder) -> dict[str, Drawing]:
    sections = Report("t", collect([folder])).sections
    return {drawing.name: drawing for section in sections for drawing in section.drawings}


def drawn(drawing, number=0):
    axes = Figure().add_subplot()
    drawing.panels[number].draw(axes)
    return axes


def test_a_run_has_all_figures(run_dir):
    assert set(report_drawings(run_dir)) == {"accuracy", "gains", "lengths", "loss", "divergence"}


def test_accuracy_shows_rates_and_their_intervals(run_dir):
    axes = drawn(report_drawings(run_dir)["accuracy"])  # GSM8K has one step: no curve
    baseline, online = axes.containers
    assert np.allclose(baseline.lines[0].get_xdata(), [200, 400, 1000], atol=20)
    assert np.allclose(baseline.lines[0].get_ydata(), [40.67, 43.25, 42.14], atol=0.01)
    assert np.allclose(online.lines[0].get_ydata(), [37.89, 41.04, 38.45], atol=0.01)
    bars = baseline.lines[2][0].get_segments()
    assert np.allclose(bars[0][:, 1], [36.6, 44.9], atol=0.1)
    assert baseline.lines[0].get_xdata()[0] != online.lines[0].get_xdata()[0]  # bars lie side by side
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["Bare model", "With the prompt (4 examples)", "Fine-tuned", "Baked (online_v1)"]


def test_gains_are_the_paired_differences(run_dir):
    gains = report_drawings(run_dir)["gains"]
    assert [panel.title for panel in gains.panels] == [
        "Gain over the bare model",
        "Gain over Fine-tuned",
    ]
    axes = drawn(gains, 1)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    widths = dict(zip(labels, (bar.get_width() for bar in axes.patches), strict=True))
    assert widths["GSM8K: Baked (online_v1)"] == pytest.approx(100 * (937 - 831) / 1319)
    # A condition has one colour in all panels: the baseline's is not here.
    assert {to_hex(bar.get_facecolor()).upper() for bar in axes.patches} == {bar_style(1)["facecolor"]}
    assert widths["IFEval: Baked (online_v1)"] == pytest.approx(100 * (208 - 228) / 541)


def test_losses_and_divergences_are_as_logged(run_dir):
    drawings = report_drawings(run_dir)
    loss = [line.get_ydata().tolist() for line in drawn(drawings["loss"]).lines]
    assert loss == [[2.5, 1.25], [3.0, 1.5]]
    divergence = [line.get_ydata().tolist() for line in drawn(drawings["divergence"]).lines]
    assert divergence == [[0.5, 0.125], [0.5, 0.15]]


def test_histograms_hold_every_response_and_mark_the_cut_ones(hostile):
    axes = drawn(hostile["lengths"])
    assert [text.get_text() for text in axes.texts] == ["10% cut"] * 4
    ended, cut = axes.patches[:2]
    assert cut.get_hatch() and not ended.get_hatch()
    floor = ended.get_data().baseline
    heights = [
        float((part.get_data().values - below).sum())
        for part, below in ((ended, floor), (cut, ended.get_data().values))
    ]
    assert heights[0] == pytest.approx(9 * heights[1])


def test_files_are_png_and_svg_and_the_same_again(hostile, tmp_path):
    for drawing in hostile.values():
        names = save(drawing, tmp_path)
        assert names == [f"{drawing.name}.png", f"{drawing.name}.svg"]
        pixels = matplotlib.image.imread(tmp_path / names[0])
        assert pixels.shape[1] > 700 and pixels[0, 0, :3].min() == 1  # white paper
        before = (tmp_path / names[1]).read_bytes()
        save(drawing, tmp_path)
        assert (tmp_path / names[1]).read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_a_name_with_dollars_and_brackets_stands_in_the_figure_as_it_is(hostile, tmp_path):
    save(hostile["accuracy"], tmp_path)
    texts = [element.text for element in ElementTree.parse(tmp_path / "accuracy.svg").iter() if element.text]
    assert f"Baked ({CONDITION})" in texts


def test_conditions_differ_without_their_colour():
    lines = [(style["marker"], str(style["linestyle"])) for style in map(line_style, range(35))]
    assert len(set(lines)) == 35
    bars = [bar_style(number)["hatch"] for number in range(-1, 30)]
    assert all(one != next_one for one, next_one in pairwise(bars[1:]))
    assert len({(style["facecolor"], style["hatch"]) for style in map(bar_style, range(30))}) == 30
