"""Mutants that no input tells from the reference, with the proof of it."""

SAME: dict[str, dict[str, str]] = {}
