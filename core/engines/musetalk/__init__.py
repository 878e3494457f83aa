"""Lips by MuseTalk 1.5."""
