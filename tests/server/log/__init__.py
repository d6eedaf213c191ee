"""The error log: what applications write, and the lines that explain a failure."""
