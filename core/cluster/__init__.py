"""Renders on other machines: a node of a Ray cluster does there what a server does alone."""
