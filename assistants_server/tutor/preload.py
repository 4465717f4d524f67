"""Imports what SymPy imports on first use, so that no question pays for it from its calls."""

import importlib.readers  # noqa: F401

import sympy.assumptions.wrapper
import sympy.codegen.ast
import sympy.combinatorics.generators
import sympy.integrals.heurisch
import sympy.integrals.manualintegrate
import sympy.integrals.risch
import sympy.physics.units
import sympy.sets.handlers.issubset
import sympy.sets.setexpr  # noqa: F401
