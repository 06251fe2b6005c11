//! Verdicts and answers: writers that are never denied, attempts to bypass that are, modes, messages, break-glass.

mod admission_additions;
mod answers;
mod borrowed_identity;
mod break_glass;
mod bypass;
mod cases;
mod controllers;
mod doors;
mod exempt_token;
mod fast_path;
mod gitops_tools;
mod holders;
mod jobs_and_pods;
mod keys;
mod made_by_operators;
mod messages;
mod modes;
mod modes_by_marks;
mod people;
mod self_check;
mod steering;
mod strict_namespaces;
mod stored_unreadable;
mod uncertainty;
mod unreadable;
mod versions;
