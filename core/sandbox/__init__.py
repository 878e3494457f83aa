"""What runs in the child process that opens foreign media, and nothing else: `python -m core.sandbox`."""
