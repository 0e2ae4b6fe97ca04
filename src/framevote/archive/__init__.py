"""The archive: what was found in many videos, kept in a folder or on object storage."""
