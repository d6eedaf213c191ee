"""wsgi.file_wrapper, and ranges of bytes."""
