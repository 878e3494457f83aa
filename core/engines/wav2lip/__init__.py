"""Lips by Wav2Lip."""
