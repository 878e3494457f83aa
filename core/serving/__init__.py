"""Engines, loaded: on threads or in processes, shared by all jobs."""
