"""Work that was accepted: run, reported on, ended once."""
