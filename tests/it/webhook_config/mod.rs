//! The ValidatingWebhookConfiguration: its rules, its match conditions, and what others change about it.

mod canary;
mod live_state;
mod match_conditions;
mod rules;
