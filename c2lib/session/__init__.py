"""The session: a state machine that steps a strategy against the mock broker, and what keeps it safe."""
