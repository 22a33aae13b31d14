"""Errors of the synthesis recipe, one family, so that the command line can show them without a traceback."""

from __future__ import annotations


class SynthesisError(Exception):
    """Something the user can put right; the message says what was given, what is accepted, what to do."""


class TextError(SynthesisError, ValueError):
    """A sentence or phrase that cannot be written in a-z and apostrophe."""


class PhoneError(SynthesisError, ValueError):
    """A pronunciation the voice cannot speak."""


class SplitError(SynthesisError, ValueError):
    """A voice that the chosen split must not use."""


class MissingError(SynthesisError, FileNotFoundError):
    """A program, model or data file that is not there."""
