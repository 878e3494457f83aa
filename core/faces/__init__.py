"""Who is in a picture: finding people, choosing one, following them from shot to shot."""
