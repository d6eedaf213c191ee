"""The project's own tools for developers: what checks the sources and builds the site."""
