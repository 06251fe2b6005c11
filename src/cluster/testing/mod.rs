//! A fake API server for this room's tests.

pub(super) mod api_server;
mod patch;
