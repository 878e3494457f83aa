"""Weights of networks: what there is, where it lies, how it is downloaded and checked."""
