"""Loops compiled to machine code, kept on disk between processes where there is a place to keep them."""

from __future__ import annotations

from biasing.compiled import compiled, compiled_formula, compiled_in_place, compiled_part, part_in_place

__all__ = ["compiled", "compiled_formula", "compiled_in_place", "compiled_part", "part_in_place"]
