"""Domain adaptation: bring the feature distributions of source and target together."""
