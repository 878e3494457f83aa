"""What can be asked for: engines, templates, voices, and speech itself."""
