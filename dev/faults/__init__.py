"""`./run test faults`: real programs, killed, starved and lied to at each step of a registration."""
