"""Where finished files can be had: the server's disk, an object storage."""
