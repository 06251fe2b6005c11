//! The wire format: decodes an AdmissionReview (`admission.k8s.io/v1`) to a write,
//! and encodes the answer. Only the envelope is decoded; the objects stay raw text.

mod request;
mod response;

pub use request::{CowStr, Operation, Resource, ReviewError, User, Write, decode};
pub use response::{Answer, Cause, Denial, Status, encode};
