"""Training of the acoustic model: data, augmentation, the loop, checkpoints."""
