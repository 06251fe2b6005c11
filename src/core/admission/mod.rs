//! The wire: an AdmissionReview (`admission.k8s.io/v1`) to a write, and an
//! answer back. Only the envelope is decoded; the objects stay raw text.

mod request;
mod response;

pub use request::{Operation, Resource, ReviewError, Text, User, Write, decode};
pub use response::{Answer, Cause, Denial, Status, encode};
