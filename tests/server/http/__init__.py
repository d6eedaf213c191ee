"""What HTTP asks of a server: connections, expectations, smuggled requests, HTTP/2."""
