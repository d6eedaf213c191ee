"""What a newcomer is told to do: ./dev serve, and the pages of docs/guides."""
