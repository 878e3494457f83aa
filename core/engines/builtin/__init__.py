"""Engines that need no download and no torch."""
