//! The wire: an AdmissionReview (`admission.k8s.io/v1`) to a write, and an
//! answer back. Only the envelope is decoded; the objects stay raw text.

mod answer;
mod request;

pub use answer::{Answer, Cause, Denial, Status, encode};
pub use request::{Operation, Resource, ReviewError, Text, User, Write, decode};
