"""The table of architectures in docs/models.md: largest deviations from plain forward passes.

    python -m benchmarks.architectures            (prints it; about a minute of one core)

Tiny random models of tests/distill/architectures.py in float32, against eager attention row by row.
"""

from tests.distill.against_plain import student_deviation, teacher_deviation
from tests.distill.architectures import ARCHITECTURES


def main() -> None:
    """Print the table."""
    print("| Architecture | Teacher's log-probabilities | Loss | Gradients | Teacher | Student |")
    print("|---|---|---|---|---|---|")
    for architecture in ARCHITECTURES:
        error, shared = teacher_deviation(architecture)
        tried = [
            student_deviation(architecture, adapter=False, checkpointing=False),
            student_deviation(architecture, adapter=True, checkpointing=True, count=8),
        ]
        loss, gradients = (max(each[place] for each in tried) for place in (0, 1))
        ways = "shared prefix" if shared else "in full", "packed" if tried[0][2] else "padded"
        print(f"| {architecture.name} | {error:.0e} | {loss:.0e} | {gradients:.0e} | {' | '.join(ways)} |")


if __name__ == "__main__":
    main()
