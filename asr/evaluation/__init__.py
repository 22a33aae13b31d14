"""Recognizing a manifest with and without each technique, and telling what that is worth."""
