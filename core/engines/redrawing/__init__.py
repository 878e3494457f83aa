"""What engines share that redraw the mouth with a network: whatever network that is."""
