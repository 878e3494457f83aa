"""A person told from the background without weights: by colour, by a plain wall, by GrabCut."""
