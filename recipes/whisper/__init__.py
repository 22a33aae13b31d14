"""A Conformer on Whisper's encoder, frozen or with low-rank deltas."""
