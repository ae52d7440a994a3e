"""The use cases: a run into its directory, the same run again, verification, evidence; no front end is needed."""
