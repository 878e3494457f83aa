"""What is heard, as text: the cues of a video, and drawing them into its pictures."""
