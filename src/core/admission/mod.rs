//! The wire format: decodes an AdmissionReview (`admission.k8s.io/v1`) to a write,
//! and encodes the answer. Only the envelope is decoded; the objects stay raw text.

mod grammar;
mod head;
mod outline;
mod plain;
mod request;
mod response;
mod shape;
mod skip;
mod write;

pub(crate) use outline::{Fields, TextField, text_of};
pub use request::{ReviewError, decode, decode_head};
pub use response::{Answer, Cause, Denial, Status, encode};
pub use shape::JsonShape;
pub use write::{CowStr, Operation, Resource, User, Write};
