"""Stand-in for an I-VAN gateway and the VSS portal, for tests and demonstrations only."""
