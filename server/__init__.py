"""Serves what `core` makes: command line, HTTP, jobs, storage."""
