"""Parameter-efficient transfer: train a few new weights, keep all old ones."""
