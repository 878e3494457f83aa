"""Templates: prepared once, kept, given another background or size."""
