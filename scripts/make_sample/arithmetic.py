"""Exact evaluation of `+ - * /` expressions, without `eval`."""

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction

_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def evaluate(expression: str, names: Mapping[str, int]) -> Fraction:
    """The value of `expression`, whose variables are looked up in `names`.

    Raises:
        ValueError: the expression holds anything but integers, known names, brackets and `+ - * /`.
    """
    return _value(ast.parse(expression.strip(), mode="eval").body, names)


def _value(node: ast.expr, names: Mapping[str, int]) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    if isinstance(node, ast.Name) and node.id in names:
        return Fraction(names[node.id])
    raise ValueError(f"cannot evaluate {ast.unparse(node)!r}")
