"""Training the denoiser: mixtures, targets, loss, loop."""
