"""What the language expects: n-gram models, trained and asked."""
