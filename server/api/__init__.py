"""What the server answers to: its own API."""
