"""The variables: what each does, who may set it, and what a wrong one gives."""
