"""Files by URL: fetched with care, kept for the next time."""
