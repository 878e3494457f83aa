"""The record of jobs and events, in SQLite."""
