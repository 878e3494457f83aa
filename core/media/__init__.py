"""Media files: our own clips and videos, read and written; foreign ones only through the child process."""
