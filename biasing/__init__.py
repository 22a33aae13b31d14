"""What the user expects to hear: the contextual biasing of the recognizer."""
