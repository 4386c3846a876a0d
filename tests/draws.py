"""What a program draws: a small interpreter of jaxprs that writes down the key of every random draw."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np

CALLS = ("jit", "pjit", "closed_call", "checkpoint", "remat", "custom_jvp_call", "custom_vjp_call")


def draws(function: Callable, *args: Any) -> np.ndarray:
    """The key data of every draw that `function(*args)` makes, `[draws, 2]`; a row an example under vmap."""
    closed = jax.make_jaxpr(function)(*args)
    found: list[np.ndarray] = []
    _run(closed.jaxpr, [*map(_known, closed.consts)], [*map(_known, jax.tree.leaves(args))], found)
    return np.concatenate(found) if found else np.zeros((0, 2), np.uint32)


Later = Callable[[], Any]  # a value that is computed when it is asked for, and once: most are never asked for


def _known(value: Any) -> Later:
    return lambda: value


def _run(jaxpr: Any, consts: list, args: list, found: list) -> list:
    known: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    for equation in jaxpr.eqns:
        values = [_value(variable, known) for variable in equation.invars]
        out = _step(equation, values, found)
        known.update(zip(equation.outvars, out, strict=True))
    return [_value(variable, known) for variable in jaxpr.outvars]


def _value(variable: Any, known: dict) -> Later:
    return _known(variable.val) if hasattr(variable, "val") else known[variable]


def _step(equation: Any, values: list[Later], found: list) -> list[Later]:
    name, params = equation.primitive.name, equation.params
    if name == "random_bits":
        found.append(np.reshape(jax.random.key_data(values[0]()), (-1, 2)))
    if name in CALLS:
        inner = params.get("jaxpr", params.get("call_jaxpr"))
        return _run(getattr(inner, "jaxpr", inner), [*map(_known, getattr(inner, "consts", []))], values, found)
    if name == "scan":
        return _scan(params, values, found)
    inner = [str(value) for key, value in params.items() if "jaxpr" in key or key == "branches"]
    assert "random_bits" not in " ".join(inner), f"draws inside of {name!r} are not counted"

    @cache
    def out() -> list:
        values_now = [value() for value in values]
        results = equation.primitive.bind(*values_now, **equation.primitive.get_bind_params(params))
        return results if equation.primitive.multiple_results else [results]

    return [lambda index=index: out()[index] for index in range(len(equation.outvars))]


def _scan(params: dict, values: list[Later], found: list) -> list[Later]:
    body, fixed, count = params["jaxpr"], params["num_consts"], params["num_carry"]
    consts, carry, rows = values[:fixed], values[fixed : fixed + count], values[fixed + count :]
    stacked = []
    for index in range(params["length"]):
        now = [lambda row=row, index=index: row()[index] for row in rows]
        out = _run(body.jaxpr, [*map(_known, body.consts)], [*consts, *carry, *now], found)
        carry = out[:count]
        stacked.append(out[count:])
    columns = zip(*stacked, strict=True)
    return [*carry, *(lambda column=column: jax.numpy.stack([row() for row in column]) for column in columns)]
