//! Verdicts and answers: writers that are never denied, attempts to bypass that are, modes, messages, break-glass.

mod break_glass;
mod bypass;
mod cases;
mod controllers;
mod exempt_token;
mod fast_path;
mod messages;
mod modes;
mod people;
mod self_check;
mod strict_namespaces;
mod uncertainty;
