"""What carries the work: the pipeline, threads, calls joined to batches. Knows no engine."""
