"""What the tests against real servers stand on: cells, sites, error logs, and the grid."""
