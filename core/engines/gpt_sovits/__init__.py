"""The GPT-SoVITS voice: text to phones to sound, in this process or asked from its own server."""
