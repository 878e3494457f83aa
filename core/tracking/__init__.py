"""Where a face is in every frame: any finder's faces, followed by optical flow. No engine itself."""
