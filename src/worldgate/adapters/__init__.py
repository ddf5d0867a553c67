"""Other people's protocols on top of worlds, one module each; each needs an extra of its own."""
