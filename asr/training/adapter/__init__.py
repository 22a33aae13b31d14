"""Training of the contextual adapter on a frozen recognizer."""
