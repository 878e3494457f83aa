"""Make the faces of any video clearer, whole videos, without speech."""
