"""`./run test jobs` and `./run test hosts`: more than one machine, and the job queue that many of them share."""
