//! A small API server for tests.

pub(super) mod api_server;
