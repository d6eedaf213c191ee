"""environ: its variables, where an application is mounted, who the client is."""
