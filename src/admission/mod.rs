//! The admission handler: a review in, an answer, a log line and an Event out.

mod application_health;
mod canary;
mod deadline_lookup;
mod evaluation_budget;
mod events;
mod handler;
mod recent_denials;
mod responses;
mod review_recording;
mod self_check_queue;
mod self_checks;
mod source_health;

pub(crate) use handler::{AdmissionHandler, ReviewSettings};
pub(crate) use review_recording::ReviewRecording;
