//! A fake API server for this module's tests.

pub(super) mod api_server;
mod patch;
