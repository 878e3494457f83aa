"""Sending live video to servers that show it to many: RTMP."""
