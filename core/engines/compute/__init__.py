"""What neural engines share: devices, batches, recorded graphs, memory, checkpoints."""
