"""Speech for training, made from text: Kokoro voices, right pronunciations, a manifest."""
