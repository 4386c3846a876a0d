"""What a program draws: a small interpreter of jaxprs that writes down the key of every random draw."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

CALLS = ("jit", "pjit", "closed_call", "checkpoint", "remat", "custom_jvp_call", "custom_vjp_call")


def draws(function: Callable, *args: Any) -> np.ndarray:
    """The key data of every draw that `function(*args)` makes, `[draws, 2]`; a row an example under vmap."""
    closed = jax.make_jaxpr(function)(*args)
    found: list[np.ndarray] = []
    _run(closed.jaxpr, closed.consts, jax.tree.leaves(args), found)
    return np.concatenate(found) if found else np.zeros((0, 2), np.uint32)


def _run(jaxpr: Any, consts: list, args: list, found: list) -> list:
    known: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    for equation in jaxpr.eqns:
        values = [variable.val if hasattr(variable, "val") else known[variable] for variable in equation.invars]
        out = _step(equation, values, found)
        known.update(zip(equation.outvars, out, strict=True))
    return [variable.val if hasattr(variable, "val") else known[variable] for variable in jaxpr.outvars]


def _step(equation: Any, values: list, found: list) -> list:
    name, params = equation.primitive.name, equation.params
    if name == "random_bits":
        found.append(np.reshape(jax.random.key_data(values[0]), (-1, 2)))
    if name in CALLS:
        inner = params.get("jaxpr", params.get("call_jaxpr"))
        return _run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", []), values, found)
    if name == "scan":
        return _scan(params, values, found)
    inner = [str(value) for key, value in params.items() if "jaxpr" in key or key == "branches"]
    assert "random_bits" not in " ".join(inner), f"draws inside of {name!r} are not counted"
    out = equation.primitive.bind(*values, **equation.primitive.get_bind_params(params))
    return out if equation.primitive.multiple_results else [out]


def _scan(params: dict, values: list, found: list) -> list:
    body, fixed, count = params["jaxpr"], params["num_consts"], params["num_carry"]
    consts, carry, rows = values[:fixed], values[fixed : fixed + count], values[fixed + count :]
    stacked = []
    for index in range(params["length"]):
        out = _run(body.jaxpr, body.consts, [*consts, *carry, *(row[index] for row in rows)], found)
        carry = out[:count]
        stacked.append(out[count:])
    return [*carry, *(jax.numpy.stack(column) for column in zip(*stacked, strict=True))]
