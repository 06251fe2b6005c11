//! Verdicts and answers: honest writers that nobody may deny, look-alikes that
//! must be denied, modes, messages, break-glass.

mod break_glass;
mod bypass;
mod cases;
mod controllers;
mod exempt_token;
mod fast_path;
mod messages;
mod modes;
mod people;
mod strict_namespaces;
