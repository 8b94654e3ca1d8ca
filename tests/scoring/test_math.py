import os
import signal
import threading

import pytest

from lm_eval_tasks.benchmarks.math import scorer as math
from lm_eval_tasks.benchmarks.math import verifier
from lm_eval_tasks.benchmarks.math.verifier import Comparison
from lm_eval_tasks.errors import UserError

EQUAL = [
    (r"1/2", r"\frac{1}{2}"),
    (r"0.5", r"\frac{1}{2}"),
    (r"\dfrac12", r"\frac{1}{2}"),
    (r"\tfrac{1}{2}", r"\frac12"),
    (r".5", r"\frac12"),
    (r"\frac12", r"\frac{2}{4}"),
    (r"-\frac{1}{2}", r"\frac{-1}{2}"),
    (r"\frac{1}{-2}", r"-\frac12"),
    (r"1\frac{1}{2}", r"\frac{3}{2}"),
    (r"1 \frac12", r"1.5"),
    (r"2.0", r"2"),
    (r"2.50", r"\frac{5}{2}"),
    (r"0.3333333333", r"\frac13"),
    (r"\frac{10}{4}", r"2.5"),
    (r"-\dfrac{3}{4}", r"-0.75"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    (r"\sqrt[3]{8}", r"2"),
    (r"\sqrt{16}", r"4"),
    (r"3\sqrt{2}+\sqrt{8}", r"5\sqrt{2}"),
    (r"\sqrt{50}", r"5\sqrt2"),
    (r"\frac{3+\sqrt{5}}{2}", r"\frac{\sqrt{5}+3}{2}"),
    (r"\frac{2}{\sqrt{3}}", r"\frac{2\sqrt{3}}{3}"),
    (r"2^{10}", r"1024"),
    (r"10^3", r"1000"),
    (r"2^{-1}", r"\frac12"),
    (r"e^{\ln 2}", r"2"),
    (r"5!", r"120"),
    (r"\binom{5}{2}", r"10"),
    (r"\log_2 8", r"3"),
    (r"\sin 30^\circ", r"\sin(30^\circ)"),
    (r"\cos 0", r"1"),
    (r"\pi/2", r"\frac{\pi}{2}"),
    (r"11\pi/3", r"\frac{11\pi}{3}"),
    (r"\frac{1}{3}\pi", r"\frac{\pi}{3}"),
    (r"2\pi r", r"2r\pi"),
    (r"x^2+2x+1", r"(x+1)^2"),
    (r"x^2-1", r"(x-1)(x+1)"),
    (r"(x+1)(x-1)", r"x^2-1"),
    (r"2x+3", r"3+2x"),
    (r"3x-2y", r"-2y+3x"),
    (r"\frac{x}{2}", r"0.5x"),
    (r"\frac{x+1}{2}", r"\frac{1}{2}x+\frac12"),
    (r"x(y+z)", r"xy+xz"),
    (r"a^{m+n}", r"a^m a^n"),
    (r"-x", r"-1x"),
    (r"(a+b)^2", r"a^2+2ab+b^2"),
    (r"x=5", r"5"),
    (r"5", r"x=5"),
    (r"y = 2x+3", r"2x+3"),
    (r"f(x)=2x", r"2x"),
    (r"6+9i", r"9i+6"),
    (r"2i", r"0+2i"),
    (r"1-i", r"-i+1"),
    (r"(1,2)", r"(1, 2)"),
    (r"( 1 , 2 )", r"(1,2)"),
    (r"\left(\frac12, 3\right)", r"(0.5, 3)"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \pi/2)"),
    (r"(1,2,3)", r"(1, 2,3)"),
    (r"(-1,0)", r"( -1, 0)"),
    (r"\{1,2\}", r"\{2,1\}"),
    (r"\{1,2,3\}", r"\{3,2,1\}"),
    (r"\{ \frac12 \}", r"\{0.5\}"),
    (r"1,2", r"2,1"),
    (r"1, 2, 3", r"3, 2, 1"),
    (r"-2, 2", r"2,-2"),
    (r"\pm 2", r"2,-2"),
    (r"1 \text{ and } 2", r"1, 2"),
    (r"[0,1)", r"\left[0,1\right)"),
    (r"(-\infty,3]", r"(-\infty, 3]"),
    (r"[1,2]", r"\left[ 1, 2 \right]"),
    (r"(2,\infty)", r"(2, +\infty)"),
    (r"(-\infty, 2) \cup (3, \infty)", r"(-\infty,2)\cup(3,\infty)"),
    (r"[-1,0)\cup(0,1]", r"[-1, 0) \cup (0, 1]"),
    (r"x \in [1,2]", r"[1,2]"),
    (r"x < 3", r"x<3"),
    (r"x \ge 2", r"x \geq 2"),
    (r"3 > x", r"x<3"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
    (r"\begin{bmatrix}1\\2\end{bmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"\begin{pmatrix}0.5\\1\end{pmatrix}", r"\begin{pmatrix}\frac12\\1\end{pmatrix}"),
    (r"\begin{pmatrix} 2/4 & 0 \\ 0 & 1 \end{pmatrix}", r"\begin{pmatrix} 1/2 & 0 \\ 0 & 1 \end{pmatrix}"),
    (r"10\text{ cm}", r"10"),
    (r"10", r"10\text{ cm}"),
    (r"10\text{ cm}^2", r"10"),
    (r"36\text{ square units}", r"36"),
    (r"15 \mbox{ inches}", r"15"),
    (r"10\%", r"10"),
    (r"10", r"10\%"),
    (r"50\%", r"0.5"),
    (r"90^\circ", r"90"),
    (r"90", r"90^\circ"),
    (r"45^{\circ}", r"45"),
    (r"\$5.00", r"5"),
    (r"5", r"\$5"),
    (r"\$1,000", r"1000"),
    (r"1,000", r"1000"),
    (r"1{,}000", r"1000"),
    (r"1\,000", r"1000"),
    (r"1,234,567", r"1234567"),
    (r"10,\!000", r"10000"),
    (r"\text{Evelyn}", r"Evelyn"),
    (r"Evelyn", r"\text{Evelyn}"),
    (r"\textbf{Evelyn}", r"Evelyn"),
    (r"\mathrm{Evelyn}", r"\text{Evelyn}"),
    (r"\text{June 20}", r"June 20"),
    (r"east", r"\text{east}"),
    (r"\text{(C)}", r"C"),
    (r"C", r"\text{(C)}"),
    (r"(C)", r"\text{(C)}"),
    (r"\text{C}", r"\text{(C)}"),
    (r"\textbf{(B)}", r"\text{(B)}"),
    (r"1010_2", r"1010_{2}"),
    (r"12_8", r"12_{8}"),
    (r"18.", r"18"),
    (r"\displaystyle \frac12", r"\frac{1}{2}"),
    (r"\left(1,2\right)", r"(1,2)"),
    (r"7\sqrt{2}\text{ units}", r"7\sqrt2"),
    (r"x^{2}", r"x^2"),
    (r"2 \cdot 3", r"6"),
    (r"2\times 10^3", r"2000"),
    (r"|-5|", r"5"),
    (r"\lfloor 2.5 \rfloor", r"2"),
]
UNEQUAL = [
    (r"\text{even}", r"\text{odd}"),
    (r"(1,2)", r"(2,1)"),
    (r"[1,2]", r"(1,2)"),
    (r"[1,2)", r"[1,2]"),
    (r"3x", r"3y"),
    (r"x+1", r"x-1"),
    (r"\frac12", r"\frac13"),
    (r"0.333", r"\frac13"),
    (r"3\pi", r"9.42"),
    (r"\{1,2\}", r"\{1,3\}"),
    (r"1,2", r"1,3"),
    (r"1", r"1,2"),
    (r"-5", r"5"),
    (r"2", r"2i"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"),
    (r"(-\infty,3)", r"(-\infty,3]"),
    (r"x<3", r"x>3"),
    (r"\text{A}", r"\text{B}"),
    (r"1000", r"100"),
    (r"10^3", r"10^4"),
    (r"\sqrt{2}", r"\sqrt{3}"),
    (r"5", r"6"),
    (r"1010_2", r"1010_3"),
    (r"\text{Evelyn}", r"\text{Carla}"),
]
HANGING = [(r"9^{9^{9^9}}", "1"), (r"\int_0^{1} e^{-x^{x^x}} dx", "2")]


def test_there_are_enough_pairs():
    assert len(set(EQUAL)) >= 120


@pytest.mark.parametrize(("answer", "target"), EQUAL)
def test_equivalent(answer, target):
    verdict = math.score(f"So the answer is $\\boxed{{{answer}}}$.", target)
    assert verdict.flexible and not verdict.timed_out
    assert verdict.strict is (answer == target)


@pytest.mark.parametrize(("answer", "target"), UNEQUAL)
def test_not_equivalent(answer, target):
    verdict = math.score(f"So the answer is $\\boxed{{{answer}}}$.", target)
    assert not verdict.flexible and not verdict.strict and not verdict.timed_out


@pytest.fixture(scope="module")
def impatient():
    """A verifier that waits for one processor second."""
    found = verifier.Verifier(time_limit=1)
    yield found
    found.close()


def test_the_limit_is_of_processor_time(impatient):
    """A worker that the system leaves waiting for longer than its limit is right all the same."""
    assert impatient.compare("1", "2/2").equal
    worker = impatient._worker.pid
    os.kill(worker, signal.SIGSTOP)
    threading.Timer(1.5, os.kill, (worker, signal.SIGCONT)).start()
    assert impatient.compare(r"\frac12", "0.5") == Comparison(equal=True)
    assert impatient._worker.pid == worker


def test_hanging_expressions_cost_their_limit_and_stop_nothing(impatient, monkeypatch):
    monkeypatch.setattr(verifier, "_shared", lambda: impatient)
    for answer, target in HANGING:
        verdict = math.score(f"\\boxed{{{answer}}}", target)
        assert verdict.timed_out and not verdict.flexible and not verdict.no_answer
    assert impatient.compare(r"\frac12", "0.5").equal


def test_a_killed_worker_is_replaced(impatient):
    assert impatient.compare("1", "2/2").equal
    impatient._worker.kill()
    impatient._worker.wait()
    assert impatient.compare("1", "2/2") == Comparison(equal=False, timed_out=True)
    assert impatient.compare("1", "2/2").equal


def test_threads_share_a_worker(impatient):
    impatient.close()  # it is theirs to start
    outcomes = []
    threads = [
        threading.Thread(
            target=lambda n=n: outcomes.append((n, impatient.compare(str(n), f"{2 * n}/2").equal))
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [(n, True) for n in range(8)]


@pytest.mark.parametrize(
    "code", ["__import__('os').system('true')", "open('x','w')", "print(1)", "().__class__"]
)
def test_expressions_are_never_run_as_code(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not math.score(f"\\boxed{{{code}}}", "5").flexible
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\fbox{3}", "3"),
        (r"\boxed {4}", "4"),
        (r"\boxed{5} and \boxed{6", "5"),
        ("no box: 7", None),
        (r"\boxed{}", None),
        (r"\boxed{8", None),
        (r"<think>\boxed{9}</think>none", None),
        (r"<think>\boxed{9}</think>\boxed{10}", "10"),
    ],
)
def test_the_last_box_counts(text, answer):
    verdict = math.score(text, "11")
    assert (verdict.answer, verdict.no_answer) == (answer, answer is None)


def test_very_long_answers_are_not_compared_symbolically():
    verdict = math.score("\\boxed{" + "1+" * 600 + "1}", "601")
    assert not verdict.flexible and not verdict.timed_out


def test_a_blank_target_is_an_error():
    with pytest.raises(UserError, match="target"):
        math.score(r"\boxed{1}", " ")
