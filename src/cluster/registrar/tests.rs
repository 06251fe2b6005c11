//! The registrar before an API server of the test's own.
