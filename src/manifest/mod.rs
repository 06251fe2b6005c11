//! Bytes to objects.
