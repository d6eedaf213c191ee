"""wsgi.input: the body of the request, whole, cut off, in pieces or not read at all."""
