"""A job as it goes on, for whoever watches: events, media, sockets."""
