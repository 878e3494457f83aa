"""Who asks, and what they may: keys, and the caller of a request."""
