"""start_response, and the status and headers that the client gets."""
