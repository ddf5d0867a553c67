"""The delta, state and action of any schema as text for sequence models, and the grammar of deltas."""
