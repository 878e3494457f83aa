"""Face finders that are networks."""
