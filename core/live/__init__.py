"""Live sessions: a person who idles, speaks what is streamed in, and can be interrupted at any moment."""
