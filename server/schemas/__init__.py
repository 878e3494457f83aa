"""The shapes of the API: requests, responses, events."""
