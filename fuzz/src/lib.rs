//! What the fuzz targets share: the recorded reviews, the cluster that they were recorded in, and changes to JSON.

pub mod judge;
pub mod mutate;
pub mod recordings;
